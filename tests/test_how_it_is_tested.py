"""The book's page on its tests says the numbers that the tests have."""

import re

import pytest
import test_browser
import test_cluster
import test_crashes
import test_faults
import test_imagenet_training
import test_results_folder
from fuzzing.all_targets import all_targets
from test_book import ROOT

PAGE = (ROOT / "book" / "how_it_is_tested.md").read_text()
SOAK = re.search(r"BNNSTUDY_KILLS=(\d+)", (ROOT / "Makefile").read_text())[1]
MACHINE = test_results_folder.TestResultsFolder.settings


def cases(test) -> int:
    """How many cases a test has by its parameters."""
    (mark,) = (mark for mark in test.pytestmark if mark.name == "parametrize")
    return len(mark.args[1])


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (r"killed at a random moment \| (\d+) times", test_faults.KILLS),
        (r"\((\d+) in `make soak`\)", int(SOAK)),
        (r"while it records \| (\d+) cases", len(test_crashes.CASES)),
        (r"\| (\d+) courses of up to", MACHINE.max_examples),
        (r"of up to (\d+) events", MACHINE.stateful_step_count),
        (
            r"two submit \| (\d+) courses",
            cases(test_cluster.test_a_task_that_is_cut_goes_on_from_its_checkpoint) + 3,
        ),
        (
            r"a checkpoint \| (\d+) cases",
            cases(
                test_imagenet_training.test_a_killed_process_ends_the_job_with_one_error_and_the_next_goes_on
            ),
        ),
        (r"classes: (\d+) targets", len(all_targets())),
    ],
)
def test_the_page_says_it(words, number):
    (said,) = re.findall(words, PAGE.replace("\n", " "))
    assert int(said) == number


def test_the_page_says_the_widths_of_the_screens():
    source = (ROOT / "tests" / "test_browser.py").read_text()
    widths = re.search(r"for width in \(([\d, ]+)\)", source)[1].split(", ")
    assert len(widths) == 4
    assert test_browser.WCAG[-1] == "wcag22aa"
    assert f"four widths, from {widths[0]} to {int(widths[-1]):,} pixels" in PAGE
