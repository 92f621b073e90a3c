"""What the README shows works as shown."""

import re
from pathlib import Path

import pytest
import torch

from bnnstudy import __main__ as command_line
from bnnstudy.evidence import provenance

ROOT = Path(provenance.PACKAGE).parent
README = (ROOT / "README.md").read_text()


def test_the_example_trains_a_network_of_signs():
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    scope = {}
    exec(example, scope)
    before = [w.detach().clone() for w in scope["binary"]]
    torch.nn.functional.cross_entropy(
        scope["model"](torch.randn(50, 64)), torch.arange(50) % 10
    ).backward()
    for optimizer in scope["optimizers"]:
        optimizer.step()
    for w, old in zip(scope["binary"], before, strict=True):
        assert set(w.unique().tolist()) == {1.0, -1.0}
        assert not torch.equal(w, old)


@pytest.mark.parametrize("line", re.findall(r"python -m bnnstudy ([^#\n]*)", README))
def test_the_commands_parse(line):
    options = command_line._parser().parse_args(line.replace("DIR", str(ROOT)).split())
    assert callable(options.command)


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md"])
def test_the_paths_and_targets_it_names_are_there(file):
    text, makefile = (ROOT / file).read_text(), (ROOT / "Makefile").read_text()
    paths = re.findall(r"`((?:bnnstudy|notebooks|book|tests)/[\w./]*)`", text)
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), path
    for target in re.findall(r"(?:^|`)make (?:\w+=\S+ )?([a-z]+)\b", text, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target
