"""A headless browser for tests: where it is found, how it is started, and what if there is none."""

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def lacking(what: str, remedy: str):
    """Skip the test that needs `what`; where CI is set, fail it."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {what}: {remedy}")


@contextlib.contextmanager
def started() -> Iterator:
    """A browser, closed in the end."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("playwright", "`pip install -r requirements.txt`")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    program = program or lacking("browser", "`apt install chromium`")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=FLAGS) as browser,
    ):
        yield browser
