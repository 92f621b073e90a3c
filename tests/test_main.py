import json
import os
import subprocess
import sys

import pytest
from toy_study import STUDY

from bnnstudy import __main__ as command_line
from bnnstudy import studies
from bnnstudy.experiments import tasks


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "nothing"], ["STUDY", "'nothing'", "two_views"]),
        (["run", "imagenet"], ["'imagenet'", "'quick'", "allowed: paper"]),
        (["run", "two_views", "--preset", "big"], ["--preset", "'big'", "quick", "paper"]),
        (["run", "two_views", "--seeds", "0"], ["--seeds", "'0'", "1 or more"]),
        (["run", "two_views", "--seeds", "many"], ["--seeds", "'many'"]),
        (["run", "two_views", "--workers", "-1"], ["--workers"]),
        (["run", "two_views", "--data", ""], ["--data"]),
        (["report", "--results", ""], ["--results"]),
        (["run", "two_views", "--device", "tpu"], ["--device", "'tpu'", "auto", "cpu", "cuda"]),
        (["run", "two_views", "--data", "/nowhere"], ["data", "'/nowhere'", "folder"]),
        (["run", "two_views", "--results", "/dev/null/x"], ["results", "/dev/null"]),
        (["report", "--results", "/nowhere"], ["--results", "'/nowhere'", "folder"]),
        (["report", "--jso"], ["--jso"]),
        (["convert", "--lr", "x", "--weight-decay", "0"], ["--lr", "'x'", "number"]),
        (["convert", "--lr", "0", "--weight-decay", "0"], ["lr", "0.0", "above 0"]),
        (["convert", "--lr", "1"], ["--weight-decay"]),
        (["fly"], ["'fly'", "list", "run", "report"]),
        (["run"], ["STUDY"]),
        ([], ["COMMAND"]),
    ],
)
def test_bad_input_gets_one_line_and_status_2(arguments, says, capsys):
    try:
        status = command_line.main(arguments)
    except SystemExit as exit:
        status = exit.code
    output = capsys.readouterr()
    assert status == 2
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.startswith("bnnstudy: ")
    for word in says:
        assert word in output.err


def test_as_a_process_too(tmp_path):
    command = [sys.executable, "-m", "bnnstudy", "run", "optimizers", "--preset", "huge"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "usage" not in done.stderr
    assert "Traceback" not in done.stderr


def test_list_shows_every_study(capsys):
    assert command_line.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(studies.STUDIES)


def test_run_then_report(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(studies.STUDIES, "toy", STUDY)
    arguments = ["run", "toy", "--seeds", "2", "--device", "cpu", "--workers", "1"]
    assert command_line.main([*arguments, "--results", str(tmp_path)]) == 0
    assert "4 runs" in capsys.readouterr().out
    assert command_line.main(["report", "--results", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["schema"] == command_line.REPORT_SCHEMA
    report = {claim["id"]: claim for claim in printed["claims"]}
    assert set(report) == {claim.id for claim in studies.ledger()}
    (ran,) = report["toy-adam"]["verdicts"]
    assert (ran["n"], ran["preset"]) == (2, "quick")
    assert ran["low"] <= ran["effect"] <= ran["high"]
    assert ran["scale"] == {"images": 0, "width": 16, "epochs": 2, "steps": 22}
    assert ran["paper_scale"] == {}  # a toy
    assert report["imagenet-one-step"]["answer"] == "not run"
    (absent,) = report["imagenet-one-step"]["verdicts"]
    assert [absent[k] for k in ("preset", "n", "effect", "low", "high")] == [None] * 5
    assert report["momentum-faster"]["with_control"] == "momentum-rate"
    assert report["momentum-rate"]["with_control"] is None
    (need, *_) = report["clipping-both"]["requires"]
    assert need == {"figure": "curves.saturation", "arm": "none", "at_least": 0.05, "at_most": None}
    assert command_line.main(["report", "--results", str(tmp_path)]) == 0
    assert "toy-adam" in capsys.readouterr().out


def test_the_papers_own_scale_stands_beside_ours():
    claims = {claim.id: claim for claim in studies.ledger()}
    mlp = studies.paper_scale(claims["optimizers-sgd"], "mnist mlp")
    assert mlp == {
        "dataset": "mnist", "images": 54_000, "network": "mlp", "width": 2048, "epochs": 250,
        "steps": 135_000,
    }  # fmt: skip
    cnn = studies.paper_scale(claims["batch-norm-average"], "cifar10 cnn")  # a part of an arm
    assert (cnn["network"], cnn["steps"]) == ("binaryconnect", 450_000)
    # The paper has the filter's figures on CIFAR-10 alone.
    assert studies.paper_scale(claims["alpha-flips"], "mnist mlp")["network"] == "birealnet20"


def test_a_damaged_record_is_named_and_ends_in_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(studies.STUDIES, "toy", STUDY)
    arguments = ["run", "toy", "--seeds", "1", "--workers", "1", "--results", str(tmp_path)]
    command_line.main(arguments)
    victim = next((tmp_path / "toy" / "quick").glob("*-s0.json"))
    victim.write_text("{")
    capsys.readouterr()
    for again in (arguments, ["report", "--results", str(tmp_path)]):
        assert command_line.main(again) == 2
        error = capsys.readouterr().err
        assert victim.name in error
        assert error.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs(tmp_path, monkeypatch, capsys):
    # Root may write anywhere, so the answer of the system is replaced, not the folder's rights.
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    monkeypatch.setattr(tasks, "perform", None)
    assert command_line.main(["run", "two_views", "--results", str(tmp_path)]) == 2
    assert f"results must be a folder that can be written, got '{tmp_path}" in capsys.readouterr().err
