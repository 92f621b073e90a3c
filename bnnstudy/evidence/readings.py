"""What a claim's answer means, in words: a sentence stands ready for each that it may have."""

from collections.abc import Iterable
from dataclasses import dataclass

from bnnstudy.config import checks
from bnnstudy.config.checks import shown
from bnnstudy.evidence.answers import STATES, Answer
from bnnstudy.evidence.verdicts import NOT_RUN, Verdict

NAMES = {
    "mnist": "MNIST", "cifar10": "CIFAR-10", "fsdd": "spoken digits", "audiomnist": "AudioMNIST",
    "mlp": "MLP", "cnn": "small CNN", "binaryconnect": "BinaryConnect's CNN", "resnet18": "ResNet-18",
    "birealnet20": "BiRealNet-20", "birealnet18": "Bi-Real Net 18", "audio_net": "audio net",
    "imagenet": "ImageNet", "reactnet_a": "ReActNet-A",
}  # fmt: skip
"""How data sets and networks are written in a text."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What it means if a claim holds, if it does not, if that is open, and if it was not tested.

    A sentence each, of which a chapter's conclusion is put together. An exact claim is neither open nor
    untested.

        >>> from bnnstudy.studies import STUDIES
        >>> claim = STUDIES["binary_layers"].claims[1]
        >>> reading = Reading(holds="A mask helps.", fails="No mask is needed.", open="It is open.",
        ...                   untested="It was not tested.")
        >>> reading.of(Verdict(claim=claim, verdict="refuted"))
        'No mask is needed.'

    Raises:
        ValueError: naming the sentence that is none.
    """

    holds: str
    fails: str
    open: str = ""
    untested: str = ""

    def __post_init__(self) -> None:
        given = [name for name in ("open", "untested") if not _is_empty(getattr(self, name))]
        for name in ("holds", "fails", *(("open", "untested") if given else ())):
            _check(name, getattr(self, name))

    def of(self, verdict: Verdict) -> str:
        """The sentence for a verdict; empty if the claim was not run."""
        if verdict.verdict == NOT_RUN:
            return ""
        said = {True: self.holds, False: self.fails, None: self.open}
        return said[STATES[verdict.verdict]] if verdict.verdict in STATES else self.untested


def concluded(answer: Answer, reading: Reading) -> str:
    """What the verdicts on a claim come to: one sentence, or one for each that they differ by.

        >>> from bnnstudy.evidence import answers
        >>> from bnnstudy.studies import STUDIES
        >>> claim = STUDIES["binary_layers"].claims[1]
        >>> words = {"mnist mlp": "supported", "cifar10 cnn": "refuted"}
        >>> [found] = answers(Verdict(claim=claim, verdict=word, preset="desk", task=task)
        ...                   for task, word in words.items())
        >>> concluded(found, Reading(holds="A mask helps.", fails="A mask does not help."))
        'On MNIST (MLP): A mask helps. On CIFAR-10 (small CNN): A mask does not help.'

    Where presets differ they are named with the data set and network. Empty if the claim was not run.
    """
    checks.instance("answer", answer, Answer)
    checks.instance("reading", reading, Reading)
    by_sentence: dict[str, list[Verdict]] = {}
    for verdict in answer.verdicts:
        if sentence := reading.of(verdict):
            by_sentence.setdefault(sentence, []).append(verdict)
    if len(by_sentence) < 2:
        return next(iter(by_sentence), "")
    several = len({verdict.preset for verdict in answer.verdicts}) > 1
    return " ".join(
        f"On {_places(verdicts, several)}: {sentence}" for sentence, verdicts in by_sentence.items()
    )


def called(task: str) -> str:
    """Data set and network as one writes them: "MNIST (MLP)" for "mnist mlp"."""
    dataset, _, model = task.partition(" ")
    return f"{NAMES.get(dataset, dataset)} ({NAMES.get(model, model)})"


def _places(verdicts: Iterable[Verdict], presets: bool) -> str:
    named = (f"{called(v.task or '')}{f', {v.preset}' if presets else ''}" for v in verdicts)
    return " and ".join(named)


def _is_empty(sentence: object) -> bool:
    return isinstance(sentence, str) and not sentence


def _check(name: str, sentence: object) -> None:
    if not isinstance(sentence, str) or not sentence.endswith(".") or not sentence[:1].isupper():
        raise ValueError(f"{name} must be a sentence, got {shown(sentence)}")
