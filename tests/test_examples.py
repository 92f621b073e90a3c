"""The examples in docstrings: every public class and function has one, and gives what it says."""

import doctest
import importlib
import inspect
import io
import sys
from pathlib import Path

import pytest

import bnnstudy

ROOMS = ("nn", "nn.models", "optim", "data", "training", "config", "evidence", "theory", "experiments",
         "report", "studies", "devices", "config.tricks", "theory.designs")  # fmt: skip

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

PACKAGE = Path(bnnstudy.__file__).parent


def offered(room):
    """By name what a room's list offers, or, where a file is a room, what is made in it."""
    module = importlib.import_module(f"bnnstudy.{room}")
    if hasattr(module, "__all__"):
        for name in module.__all__:
            if not hasattr(module, name):  # a file that is imported when it is asked for
                importlib.import_module(f"bnnstudy.{room}.{name}")
            yield name, getattr(module, name)
        return
    for name, found in vars(module).items():
        if not name.startswith("_") and getattr(found, "__module__", "") == module.__name__:
            yield name, found


def is_code(found):
    """Whether it is a class or a function: constants and aliases of types need no example."""
    return inspect.isfunction(inspect.unwrap(found)) or inspect.isclass(found)


PUBLIC = {f"{room}.{name}": found for room in ROOMS for name, found in offered(room) if is_code(found)}

MODULES = [
    ".".join((PACKAGE.name, *file.relative_to(PACKAGE).with_suffix("").parts))
    for file in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in file.read_text()
]


def example_of(found):
    """The example in the docstring of an object itself; its methods' count for nothing."""
    finder = doctest.DocTestFinder(recurse=False, exclude_empty=False)
    [test] = finder.find(found, found.__qualname__, module=sys.modules[found.__module__])
    return test


def complaints(test):
    """What doctest says of an example that does not give what it says; empty if it does."""
    said = io.StringIO()
    doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(test, out=said.write)
    return said.getvalue()


@pytest.fixture(autouse=True)
def nothing_at_hand(tmp_path, monkeypatch):
    """No example finds data or records on the machine it runs on, and none leaves anything there."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("BNNSTUDY_DATA", str(tmp_path / "no data"))
    monkeypatch.setenv("BNNSTUDY_RESULTS", str(tmp_path / "no results"))
    yield
    assert [file.name for file in tmp_path.iterdir()] == ["here"]
    assert not list(here.iterdir())


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_has_an_example_that_gives_what_it_says(name):
    test = example_of(PUBLIC[name])
    assert test.examples, f"{name} has no example in its docstring"
    assert any(example.want for example in test.examples), f"the example of {name} shows no result"
    assert not complaints(test)


@pytest.mark.parametrize("module", MODULES)
def test_all_other_examples_give_what_they_say(module):
    public = {(found.__module__, found.__qualname__) for found in PUBLIC.values()}
    for test in doctest.DocTestFinder().find(importlib.import_module(module), name=""):
        if (module, test.name.lstrip(".")) not in public:
            assert not complaints(test)


def test_an_example_that_is_wrong_or_missing_is_found():
    def right():
        """Doubles.

        >>> 2 * 21
        42
        """

    def wrong():
        """Doubles.

        >>> 2 * 21
        43
        """

    def without():
        """Doubles."""

    assert not complaints(example_of(right))
    assert "Got:\n    42" in complaints(example_of(wrong))
    assert not example_of(without).examples
