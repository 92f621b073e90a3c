"""Questions that a reader answers before an experiment, and what came out beside the answer.

A question is a group of radio buttons in plain HTML. It takes no kernel, network or JavaScript; in
print it is a list. `predict.js` of the book writes a choice beside the result. Without that file
the result stands alone.
"""

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from IPython.display import HTML

from bnnstudy.config import checks

UNDECIDED = "there is no clear answer"


@dataclass(frozen=True)
class Result:
    """What came out where a question was asked: the answer, and the numbers that say so.

        >>> Result.of({"none": False, "half": True}, "48 % of the gap.")
        Result(answer='half', said='48 % of the gap.', where='')

    Attributes:
        answer: one of the question's options; None where the runs decide for none of them.
        said: a sentence with the computed numbers.
        where: the run, such as "desk, mnist mlp"; empty for a demonstration.

    Raises:
        ValueError: naming the field that is no text.
    """

    answer: str | None
    said: str
    where: str = ""

    def __post_init__(self) -> None:
        texts = dict.fromkeys(("answer", "said", "where"), checks.NAME)
        checks.settle(self, texts, or_none=("answer",))

    @classmethod
    def of(cls, holds: Mapping[str, bool], said: str, where: str = "") -> "Result":
        """The result by which of the options holds: one of them, or none.

        Raises:
            ValueError: if more than one option holds.
        """
        right = [option for option, it_holds in holds.items() if it_holds]
        if len(right) > 1:
            raise ValueError(f"holds must be true for one option at most; got {right!r}")
        return cls(right[0] if right else None, said, where)


class Predictions:
    """The questions of one chapter, by name.

        >>> predictions = Predictions("sgd")
        >>> predictions.ask("gap", "How much of the gap is left?", ("none", "half", "all of it"))
        How much of the gap is left? none / half / all of it
        >>> predictions.resolve("gap", [Result("half", "48 % of it.")])
        How much of the gap is left? It was: half. 48 % of it.

    Args:
        chapter: its name, which keeps the choices of two chapters apart.
    """

    def __init__(self, chapter: str):
        self.chapter = checks.NAME.checked("chapter", chapter)
        self.questions: dict[str, tuple[str, tuple[str, ...]]] = {}

    def ask(self, name: str, question: str, options: Iterable[str]) -> HTML:
        """A question as radio buttons.

        Args:
            name: what `resolve` calls it by.
            question, options: plain text.

        Raises:
            ValueError: if there are fewer than two different options.
        """
        options = tuple(options)
        if len(options) < 2 or len(set(options)) < len(options):
            raise ValueError(f"options must be two or more, all different; got {options!r}")
        self.questions[name] = (question, options)
        key = self._key(name)
        buttons = "".join(
            f'<label><input type="radio" name="{key}" value="{html.escape(option)}"> '
            f"<span>{html.escape(option)}</span></label>"
            for option in options
        )
        return _Shown(
            f'<fieldset class="predict" id="predict-{key}" data-question="{key}">'
            f"<legend>{html.escape(question)}</legend>{buttons}"
            f'<output><a href="#resolve-{key}" hidden>See what it was</a></output></fieldset>',
            f"{question} {' / '.join(options)}",
        )

    def resolve(self, name: str, results: Iterable[Result]) -> HTML:
        """What came out, a line for each result. The book's script adds what the reader chose.

        Args:
            name: of a question that was asked.
            results: none where no run speaks of the question, which is then said.

        Raises:
            ValueError: if nobody asked, or an answer is none of the options.
        """
        if name not in self.questions:
            raise ValueError(f"name must be one of {', '.join(self.questions)}; got {name!r}")
        question, options = self.questions[name]
        found = list(results)
        for one in found:
            if one.answer is not None and one.answer not in options:
                raise ValueError(f"answer must be one of {', '.join(options)}; got {one.answer!r}")
        key, lines = self._key(name), found or [Result(None, "No run here speaks of it.")]
        items = "".join(_item(one) for one in lines)
        return _Shown(
            f'<div class="resolve" id="resolve-{key}" data-question="{key}">'
            f'<p class="question">{html.escape(question)}</p>'
            f'<p class="predicted" hidden>You predicted: <strong></strong>. '
            f'<a href="#predict-{key}">Back to the question</a></p><ul>{items}</ul></div>',
            "\n".join(f"{question} {_line(one)}" for one in lines),
        )

    def _key(self, name: str) -> str:
        return f"{self.chapter}-{name}".replace("_", "-")


def _item(one: Result) -> str:
    lead, answer, said = (html.escape(text) for text in _parts(one))
    answer = f"<strong>{answer}</strong>" if one.answer else answer
    return f"<li>{lead}{answer}. {said}</li>"


def _line(one: Result) -> str:
    lead, answer, said = _parts(one)
    return f"{lead}{answer}. {said}"


def _parts(one: Result) -> tuple[str, str, str]:
    """What stands before the answer, the answer or that there is none, and the numbers."""
    if one.answer:
        return f"In {one.where} it was: " if one.where else "It was: ", one.answer, one.said
    return f"In {one.where} " if one.where else "Here ", UNDECIDED, one.said


class _Shown(HTML):
    """HTML that is shown as plain text where HTML is not, as in a terminal."""

    def __init__(self, markup: str, text: str):
        super().__init__(markup)
        self.text = text

    def __repr__(self) -> str:
        return self.text
