"""A target of a public class or function: calls of it by keyword."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fuzzing import mutation
from fuzzing.engine import Target


def of_call(
    name: str,
    make: Callable[..., Any],
    *seeds: Mapping[str, Any],
    use: Callable[[Any], object] = lambda made: None,
    names: Sequence[str] = (),
    share: float = 1.0,
    errors: tuple[type[Exception], ...] = (ValueError,),
) -> Target:
    """Calls with the keywords of `seeds`, mutated; what comes is put to `use`, which must not fail."""

    def call(given: Mapping[str, Any]) -> None:
        made = make(**given)
        try:
            use(made)
        except Exception as error:
            raise _Late(f"{type(error).__name__}: {error}") from error

    # A letter alone may be a word: an argument called `a` is named by "a must be".
    every = dict.fromkeys(n if len(n) > 1 else f"{n} must" for seed in seeds for n in seed)
    given = [dict(seed) for seed in seeds]
    return Target(name, given, mutation.of_arguments, call, errors, (*every, *names), share=share)


class _Late(Exception):
    """What was taken as good could not be used."""
