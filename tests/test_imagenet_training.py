"""Training on a folder of images: by two processes as by one, cut at any time and resumed."""

import contextlib
import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from bnnstudy import data, studies
from bnnstudy.__main__ import main
from bnnstudy.config.run import RunConfig
from bnnstudy.data.imagenet import ImageFolder, standardised
from bnnstudy.evidence import provenance, records
from bnnstudy.evidence.right import unpack
from bnnstudy.experiments import image_folder as jobs
from bnnstudy.experiments import markers
from bnnstudy.training import image_folder, sharded_checkpoint
from bnnstudy.training.distributed import processes
from bnnstudy.training.dry_run import PARTS, Timing
from bnnstudy.training.image_folder import FolderRun, Loading
from bnnstudy.training.sharded_checkpoint import ShardedCheckpoint
from bnnstudy.training.teacher import load_teacher

pytest.importorskip("torchvision")
Image = pytest.importorskip("PIL.Image")

CLASSES, TRAIN, VAL, BATCH, EPOCHS = 10, 8, 3, 20, 2
PATIENCE = 600.0
"""Seconds after which a process hangs, however slow the machine is."""
SETTINGS = ["--model", "reactnet_a", "--width", "4", "--size", "32", "--batch-size", str(BATCH),
            "--epochs", str(EPOCHS), "--workers", "1", "--device", "cpu", "--alpha", "0.001",
            "--real-lr", "0.02", "--every", "2"]  # fmt: skip
"""A narrow network on small images, a checkpoint after every other step."""


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10 where it is, else digits four times as large: (N, 32, 32, 3), and labels."""
    try:
        found = data.load("cifar10").test
        return found.images.permute(0, 2, 3, 1).numpy(), found.labels.numpy()
    except (FileNotFoundError, ImportError, OSError):
        found = data.load("digits").train
        large = found.images.repeat_interleave(4, 2).repeat_interleave(4, 3) * 15
        return large.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy(), found.labels.numpy()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Eighty images to train on, thirty to evaluate on, as JPEG files."""
    root, (images, labels) = tmp_path_factory.mktemp("folder"), pictures()
    for label in range(CLASSES):
        own = images[np.flatnonzero(labels == label)[: TRAIN + VAL]]
        for k, image in enumerate(own):
            folder = root / ("train" if k < TRAIN else "val") / f"class{label}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(image)).save(folder / f"{k:02d}.JPEG", quality=95)
    return root


@contextlib.contextmanager
def as_rank(rank: int, size: int, port: int):
    """The environment that torchrun gives one of its processes."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size),
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
    yield


def child(does, rank, size, port, said, arguments):
    """One of several processes: what it prints goes to files, its end is its exit status."""
    # What reads images is forked too, as it is where a job is started from a shell.
    multiprocessing.set_start_method("fork", force=True)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{said}-{rank}.{name}", os.O_WRONLY | os.O_CREAT), number)
    with as_rank(rank, size, port):
        sys.exit(does(rank, *arguments))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def together(tmp_path_factory, forking):
    """Runs a function of this file in several processes at once: (exit statuses, what they said)."""
    place = tmp_path_factory.mktemp("said")

    def start(size, does, *arguments):
        said, port = place / f"{len(list(place.iterdir()))}", free_port()
        children = [
            forking.Process(target=child, args=(does, rank, size, port, said, arguments))
            for rank in range(size)
        ]
        for process in children:
            process.start()
        for process in children:
            process.join(PATIENCE)
            assert process.exitcode is not None, "a process hangs"
        texts = {
            name: "".join(Path(f"{said}-{rank}.{name}").read_text() for rank in range(size))
            for name in ("out", "err")
        }
        return [process.exitcode for process in children], texts["out"], texts["err"]

    return start


def command(rank, arguments, sabotage=None, *more):
    """The command line in one process, with something that goes wrong in it."""
    if sabotage:
        sabotage(rank, *more)
    return main(["imagenet", *arguments])


def killed_at(rank, victim, batch):
    """The process `victim` is killed when it has read so many batches."""
    if rank != victim:
        return
    batches, count = FolderRun.batches, [0]

    def counted(self):
        for found in batches(self):
            if count[0] == batch:
                os.kill(os.getpid(), signal.SIGKILL)
            count[0] += 1
            yield found

    FolderRun.batches = counted


def killed_in_save(rank, number):
    """The first process is killed when a checkpoint is written, before it has its name."""
    save, count = sharded_checkpoint.dcp.save, [0]

    def counted(*arguments, **keywords):
        save(*arguments, **keywords)
        count[0] += 1
        if rank == 0 and count[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sharded_checkpoint.dcp.save = counted


def drifting(rank):
    """Weights of the second process move by themselves."""
    close = FolderRun._close_epoch

    def moved(self):
        with torch.no_grad():
            next(self.model.parameters()).add_(0.001 * rank)
        close(self)

    FolderRun._close_epoch = moved


def arguments(root, results):
    return ["--data", str(root), "--results", str(results), *SETTINGS]


def result_of(results):
    (file,) = Path(results).glob("folder/short/*.json")
    assert not list(file.parent.glob("*.checkpoints"))
    return records.load(file)["result"]


@pytest.fixture(scope="module")
def undisturbed(root, together, tmp_path_factory):
    results = tmp_path_factory.mktemp("undisturbed")
    codes, out, err = together(2, command, arguments(root, results))
    assert codes == [0, 0], err
    return results, out


def test_two_processes_train_and_leave_a_record_like_any_other(undisturbed, root):
    results, out = undisturbed
    result = result_of(results)
    losses = result["curves"]["train_loss"]
    assert len(losses) == EPOCHS
    assert losses[-1] < 0.9 * losses[0]
    assert result["best_epoch"] == EPOCHS
    assert result["test_accuracy"] == result["curves"]["test_accuracy"][-1]
    assert result["top5_accuracy"] > result["test_accuracy"]
    bits = unpack(result, "last.test_accuracy")
    assert len(bits) == CLASSES * VAL
    assert bits.mean() == pytest.approx(result["test_accuracy"])
    assert result["flip_ratio"]["steps"][-1] == EPOCHS * CLASSES * TRAIN // BATCH
    assert max(result["flip_ratio"]["all"]) > 0
    (file,) = results.glob("folder/short/*.json")
    record = records.load(file)
    assert record["provenance"]["processes"] == 2
    assert record["options"] == {"data": ImageFolder(root, 32).fingerprint, "size": 32}
    assert out.count("epoch") == EPOCHS + 1  # by one of them alone


def test_a_second_start_finds_the_record(undisturbed, root, together):
    results, _ = undisturbed
    (file,) = results.glob("folder/short/*.json")
    before = file.read_bytes()
    codes, out, _ = together(2, command, arguments(root, results))
    assert codes == [0, 0]
    assert "epoch 1" not in out
    assert file.read_bytes() == before


LOST = re.compile(r"^bnnstudy: another process of the training ended; start the same command again .*$")


@pytest.mark.parametrize(
    "what",
    [(killed_at, 1, 6), (killed_at, 0, 2), (killed_in_save, 3)],
    ids=["one of them", "the first", "while it writes"],
)
def test_a_killed_process_ends_the_job_with_one_error_and_the_next_goes_on(
    undisturbed, root, together, tmp_path, what
):
    sabotage, *more = what
    codes, _, err = together(2, command, arguments(root, tmp_path), sabotage, *more)
    assert sorted(codes) == [-signal.SIGKILL, 1]
    (line,) = [line for line in err.splitlines() if line.startswith("bnnstudy:")]
    assert LOST.match(line)
    (folder,) = tmp_path.glob("folder/short/*.checkpoints")
    assert len(list(folder.glob("step-*"))) == 1
    codes, out, err = together(2, command, arguments(root, tmp_path))
    assert codes == [0, 0], err
    assert "goes on after step" in out
    assert result_of(tmp_path) == result_of(undisturbed[0])


def test_another_number_of_processes_goes_on(undisturbed, root, together, tmp_path):
    codes, _, _ = together(2, command, arguments(root, tmp_path), killed_at, 1, 6)
    codes, out, err = together(1, command, arguments(root, tmp_path))
    assert codes == [0], err
    assert "goes on after step 6" in out or "goes on after step 4" in out
    ours, theirs = result_of(tmp_path), result_of(undisturbed[0])
    assert ours["curves"]["train_loss"][0] == theirs["curves"]["train_loss"][0]
    assert len(ours["curves"]["train_loss"]) == EPOCHS


def test_torchrun_restarts_a_job_that_lost_a_process(undisturbed, root, tmp_path):
    (tmp_path / "killed_once.py").write_text(
        "import os, sys\n"
        f"sys.path[:0] = {[str(Path(__file__).parent), str(provenance.PACKAGE.parent)]!r}\n"
        "from test_imagenet_training import killed_at, main\n"
        "if os.environ['TORCHELASTIC_RESTART_COUNT'] == '0':\n"
        "    killed_at(int(os.environ['RANK']), 0, 5)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--max-restarts=1",
                f"--master-port={free_port()}"]  # fmt: skip
    done = subprocess.run(
        [*torchrun, tmp_path / "killed_once.py", "imagenet", *arguments(root, tmp_path / "results")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "goes on after step" in done.stdout
    assert result_of(tmp_path / "results") == result_of(undisturbed[0])


def impatient(rank):
    """Another machine's process is taken to be gone after a short silence."""
    markers.SILENT, markers.POLL = 0.5, 0.1


@contextlib.contextmanager
def marked(root, results, *, touched=False, **changes):
    """The marker of another process at the run of `arguments`, touched while it lasts or never."""
    config = jobs.own("reactnet_a", {"width": 4, "batch_size": BATCH, "epochs": EPOCHS,
                                     "alpha": 0.001, "real_lr": 0.02}).config  # fmt: skip
    options = {"data": ImageFolder(root, 32).fingerprint, "size": 32}
    record = records.path(results, jobs.OWN, config, options)
    marker, over = markers.beside(record), threading.Event()
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps({**asdict(markers.Owner.here()), **changes}))

    def touch():
        while not over.wait(0.05):
            os.utime(marker)

    thread = threading.Thread(target=touch)
    if touched:
        thread.start()
    try:
        yield record
    finally:
        over.set()
        if touched:
            thread.join()


@pytest.mark.parametrize("host", ["here", "elsewhere"])
def test_a_second_job_at_a_run_is_refused_before_it_touches_the_checkpoint(
    host, root, together, tmp_path
):
    changes = {} if host == "here" else {"host": "elsewhere", "touched": True}
    with marked(root, tmp_path, **changes) as record:
        kept = record.with_suffix(".checkpoints") / "step-000000002"
        kept.mkdir(parents=True)  # whoever read it would say that it is damaged
        codes, _, err = together(2, command, arguments(root, tmp_path))
        owner = markers.Owner.of(markers.beside(record))
        assert all(codes)
        assert said_once(err) == (
            f"bnnstudy: results must have no other job at this run, and {owner.line()} is at it: wait "
            "for its record or end it, or choose another --results or --seed"
        )
        assert owner.pid == os.getpid()
        assert kept.exists()
        assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    "changes", [{"host": "elsewhere"}, {"born": "1"}], ids=["another machine", "this machine"]
)
def test_the_marker_of_a_job_that_is_gone_stops_no_other(
    changes, undisturbed, root, together, tmp_path
):
    with marked(root, tmp_path, **changes) as record:
        codes, out, err = together(2, command, arguments(root, tmp_path), impatient)
        assert codes == [0, 0], err
        assert ("waits to see whether elsewhere:" in out) == ("host" in changes)
        assert not markers.beside(record).exists()
    assert result_of(tmp_path) == result_of(undisturbed[0])


def test_what_ended_while_it_was_waited_for_is_not_trained_again(
    undisturbed, root, tmp_path, monkeypatch, capsys
):
    with marked(root, tmp_path, host="elsewhere") as record:

        def ends(_):
            (file,) = undisturbed[0].glob("folder/short/*.json")
            record.write_bytes(file.read_bytes())
            markers.beside(record).unlink()

        monkeypatch.setattr(markers, "time", Mock(monotonic=lambda: 0.0, sleep=ends))
        monkeypatch.setattr(jobs, "FolderRun", None)
        assert main(["imagenet", *arguments(root, tmp_path)]) == 0
    assert "after the last epoch" in capsys.readouterr().out


def test_status_says_who_is_at_a_run_on_imagenet(root, tmp_path, monkeypatch, capsys):
    def train(*given):
        assert main(["status", "imagenet", "--results", str(tmp_path)]) == 0
        raise ValueError("enough")

    monkeypatch.setattr(jobs, "_require_data", lambda *given: None)
    monkeypatch.setattr(jobs, "_teacher", lambda *given: None)
    monkeypatch.setattr(jobs, "FolderRun", Mock())
    monkeypatch.setattr(jobs, "train", train)
    given = ["imagenet", "--data", str(root), "--results", str(tmp_path), "--device", "cpu"]
    assert main([*given, "--arm", "reactnet, two steps", "--seed", "1"]) == 2
    out, err = capsys.readouterr()
    assert said_once(err) == "bnnstudy: enough"
    assert "   1 running" in out
    assert f"reactnet, two steps, seed 1: {markers.Owner.here().name()} since " in out
    assert not list(tmp_path.rglob("*.running"))


def test_a_folder_that_cannot_be_written_ends_a_job_before_its_first_step(root, together, tmp_path):
    (tmp_path / "folder").touch()
    codes, _, err = together(2, command, arguments(root, tmp_path))
    assert all(codes)
    assert "results must be a folder that can be written: " in said_once(err)


def said_once(err: str) -> str:
    (line,) = [line for line in err.splitlines() if line.startswith("bnnstudy:")]
    assert "Traceback" not in err
    return line


def test_processes_that_do_not_divide_the_batch_are_refused(root, together, tmp_path):
    codes, _, err = together(3, command, arguments(root, tmp_path))
    assert all(codes)
    assert re.search(r"batch_size must be a multiple of the 3 processes, .* got 20$", said_once(err))


def test_a_damaged_image_is_named_once_and_ends_the_job(root, together, tmp_path):
    copy = tmp_path / "copy"
    for file in root.rglob("*.JPEG"):
        other = copy / file.relative_to(root)
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes(file.read_bytes())
    (copy / "train" / "class4" / "03.JPEG").write_bytes(b"no image")
    codes, _, err = together(2, command, arguments(copy, tmp_path / "results"))
    assert all(codes)
    assert "train/class4/03.JPEG cannot be read as an image" in said_once(err)


def test_weights_that_drift_apart_are_found(root, together, tmp_path):
    codes, _, err = together(2, command, arguments(root, tmp_path), drifting)
    assert all(codes)
    assert "weights must be the same in all processes, and process 1 has others" in err


def update(rank, root, out, size, view):
    """One update with batch norm's statistics held: gradients, weights, and who was right before."""
    fields = {"optimizer": "momentum", "lr": 0.1, "real_optimizer": "", "real_lr": 1e-3}
    # Doubles, so that no sign turns by rounding.
    changes = {
        "width": 4,
        "batch_size": BATCH,
        "precision": "float64",
        **(fields if view == "latent" else {"alpha": 0.5}),
    }
    config = jobs.own("reactnet_a", changes).config
    with processes("cpu") as group:
        torch.set_num_threads(1)
        run = FolderRun(config, ImageFolder(root, 32), group)
        measured, right = run._measured(), run.right
        run.wrapped.eval()
        for images, labels in run.batches():
            run.step(run.inputs(images), run.targets(run.inputs(images), labels))
            break
        found = {
            "gradients": [p.grad for p in run.model.parameters()],
            "weights": [p.detach() for p in run.model.parameters()],
            "right": torch.from_numpy(right),
            "top5": measured["top5_accuracy"],
            "flips": run.flips.result()["all"],
        }
        torch.save(found, f"{out}-{size}-{rank}.pt")
    return 0


@pytest.mark.parametrize("view", ["latent", "filter"])
def test_an_update_of_several_processes_is_that_of_one_on_the_same_batch(
    root, together, tmp_path, view
):
    # On a CPU torch has no batch norm that is synchronised, so its statistics are held.
    sizes = (1, 2, 4)  # of which 4 does not divide the thirty images to evaluate on
    for size in sizes:
        codes, _, err = together(size, update, root, tmp_path / "found", size, view)
        assert codes == [0] * size, err
    found = {
        (size, rank): torch.load(tmp_path / f"found-{size}-{rank}.pt")
        for size in sizes
        for rank in range(size)
    }
    alone = found[1, 0]
    assert sum(gradient.abs().sum() for gradient in alone["gradients"]) > 0
    for other in found.values():
        for name in ("gradients", "weights"):
            for ours, theirs in zip(other[name], alone[name], strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
        assert torch.equal(other["right"], alone["right"])
        assert (other["top5"], other["flips"]) == (alone["top5"], alone["flips"])


def test_processes_share_each_batch_with_the_draws_of_one(root):
    folder = ImageFolder(root, 32)
    whole = list(folder.batches("train", BATCH, seed=3))
    parts = [list(folder.batches("train", BATCH, seed=3, part=(k, 4))) for k in range(4)]
    for number, (images, labels) in enumerate(whole):
        for at, found in ((0, images), (1, labels)):
            assert torch.equal(torch.cat([part[number][at] for part in parts]), found)
    late = list(folder.batches("train", BATCH, seed=3, part=(1, 4), first=2))
    assert len(late) == len(whole) - 2
    assert torch.equal(late[0][0], parts[1][2][0])
    labels = torch.cat([labels for _, labels in folder.batches("val", 8, part=(2, 4))])
    assert torch.equal(labels, folder.labels("val")[2::4])
    assert list(folder.batches("val", 8, part=(40, 41))) == []
    # Other epochs have other orders, and so have other seeds.
    seeds = {image_folder.epoch_seed(seed, epoch) for seed in range(10) for epoch in range(10)}
    assert len(seeds) == 100


def test_bytes_are_standardised_as_torchvision_does(root):
    from torchvision import transforms

    (images, _), *_ = ImageFolder(root, 32).batches("train", BATCH)
    steps = [transforms.ConvertImageDtype(torch.float32),
             transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]  # fmt: skip
    assert torch.equal(standardised(images), transforms.Compose(steps)(images))


def test_a_fingerprint_is_of_names_and_sizes_wherever_the_folder_lies(root, tmp_path):
    before = ImageFolder(root).fingerprint
    os.symlink(root, tmp_path / "linked")
    assert ImageFolder(tmp_path / "linked").fingerprint == before
    spare = root / "val" / "class3" / "spare.png"
    spare.write_bytes(b"1")
    one = ImageFolder(root).fingerprint
    spare.write_bytes(b"12")
    two = ImageFolder(root).fingerprint
    spare.unlink()
    assert len({before, one, two}) == 3


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    from torchvision.models import resnet34

    file = tmp_path_factory.mktemp("teacher") / "resnet34.pt"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(resnet34(weights=None, num_classes=CLASSES).state_dict(), file)
    return file


def test_the_teacher_is_refused_in_one_line_where_it_does_not_fit(teacher, tmp_path):
    model = load_teacher(teacher, CLASSES)
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    with pytest.raises(ValueError, match=r"teacher must know the 1000 classes .* knows 10"):
        load_teacher(teacher, 1000)
    with pytest.raises(FileNotFoundError, match=r"teacher must be a file .*nowhere\.pt"):
        load_teacher(tmp_path / "nowhere.pt", CLASSES)
    found = torch.load(teacher)
    for content, message in (
        (torch.nn.Linear(2, 2), r"must be a state dict, and .* is none \(UnpicklingError\)"),
        ([1, 2], "must be a state dict of tensors alone"),
        ({"epoch": 3}, "must be a state dict of tensors alone"),
        ({"weight": torch.ones(2)}, r"lacks 218 of its 218 names and has 1 others"),
        ({**found, "conv1.weight": torch.ones(3)}, r"conv1\.weight has another shape"),
    ):
        torch.save(content, tmp_path / "other.pt")
        with pytest.raises(ValueError, match=message):
            load_teacher(tmp_path / "other.pt", CLASSES)


@pytest.mark.parametrize("arm", studies.STUDIES["imagenet"].arms["paper"], ids=lambda arm: arm.name)
def test_every_arm_takes_its_steps_towards_the_teacher(arm, root, teacher):
    stages = tuple(replace(stage, epochs=1) for stage in arm.config.stages)
    config = replace(arm.config, width=4, batch_size=40, epochs=max(len(stages), 1), stages=stages)
    with processes("cpu") as group:
        run = FolderRun(config, ImageFolder(root, 32), group, load_teacher(teacher, CLASSES))
        (images, labels), *_ = run.batches()
        inputs = run.inputs(images)
        assert torch.equal(run.targets(inputs, labels), run.teacher(inputs))
        result = image_folder.train(run)
    assert len(result["curves"]["train_loss"]) == config.epochs
    assert [stage["epochs"] for stage in result.get("stages", [])] == [1] * len(stages)
    assert run.step.count == 2
    if not stages:
        assert all((w.abs() == 1).all() for w in run.flips._weights.values())


def test_the_arms_are_the_recipes_as_published():
    study = studies.STUDIES["imagenet"]
    one, react, adam = (arm.config for arm in study.arms["paper"])
    assert data.steps_of_epoch(one) * one.epochs == pytest.approx(600_000, rel=1e-3)
    assert (one.alpha, one.gamma, one.real_lr, one.batch_size) == (1e-5, 0.1, 0.0025, 510)
    for config, lr, decay, steps in ((react, 5e-4, 1e-5, 600_000), (adam, 1.25e-3, 5e-6, 1_281_024)):
        first, second = config.plan()
        assert (first.bits, second.bits) == ("32W/1A", "1W/1A")
        assert (first.weight_decay, second.weight_decay) == (decay, 0.0)
        for stage in (first, second):
            assert (stage.lr, stage.schedule, stage.batch_size) == (lr, "linear", 256)
            assert data.steps_of_epoch(stage) * stage.epochs == pytest.approx(steps, rel=1e-3)
    assert {arm.options["teacher"] for arm in study.arms["paper"]} == {"resnet34"}


def test_epochs_of_an_arm_are_those_of_all_its_steps(root, tmp_path, monkeypatch, capsys):
    (one, *two), given = studies.STUDIES["imagenet"].arms["paper"], {"epochs": 7}
    assert jobs.of_arm("imagenet", one, changes=given).config.epochs == 7
    for arm in two:
        assert jobs.of_arm("imagenet", arm).config == arm.config
        config = jobs.of_arm("imagenet", arm, changes=given).config
        assert [stage.epochs for stage in config.plan()] == [3, 4]
        # Nothing but their length is another.
        assert config.differences(arm.config).keys() == {"epochs", "stages"}
        assert [stage.changes for stage in config.stages] == [s.changes for s in arm.config.stages]
        assert jobs.of_arm("x", arm, changes={"epochs": arm.config.epochs}).config == arm.config
    thirds = tuple(replace(two[0].config.stages[0], epochs=n) for n in (1, 1, 4))
    arm = replace(two[0], config=replace(two[0].config, epochs=6, stages=thirds))
    for epochs in range(6, 60):
        lengths = [s.epochs for s in jobs.of_arm("x", arm, changes={"epochs": epochs}).config.stages]
        assert sum(lengths) == epochs
        assert all(abs(n - epochs * s.epochs / 6) < 1 for n, s in zip(lengths, thirds, strict=True))
    name = "reactnet, two steps"
    command = ["imagenet", "--data", str(root), "--results", str(tmp_path), "--device", "cpu"]
    assert main([*command, "--arm", name, "--epochs", "1"]) == 2
    message = f"epochs must leave one or more to each of the 2 steps of arm '{name}', got 1"
    assert said_once(capsys.readouterr().err) == f"bnnstudy: {message}"


def test_the_study_decides_its_claims_from_such_records(tmp_path):
    study, levels = studies.STUDIES["imagenet"], (0.697, 0.694, 0.705)
    random = np.random.default_rng(0)
    for arm, level in zip(study.arms["paper"], levels, strict=True):
        for seed in range(3):
            config = replace(arm.config, seed=seed)
            last = {"test_accuracy": level + random.normal(0, 5e-4), "top5_accuracy": 0.89}
            result = {**last, "last": last, "best_epoch": config.epochs, "curves": {
                "train_loss": [1.0], "test_accuracy": [last["test_accuracy"]]},
                "flip_ratio": {"steps": [600_000], "all": [1e-4]}, "diverged": False}  # fmt: skip
            origin = provenance.collect(device="x", seconds=1.0, precision="float32", data="imagenet")
            record = records.make(study.name, arm.name, config, result, origin, arm.options)
            records.save(record, records.path(tmp_path, study.name, config, arm.options))
    decided = {v.claim.id: v.verdict for v in studies.verdicts(tmp_path) if v.claim in study.claims}
    words = [decided[f"imagenet-{name}"] for name in ("one-step", "adambnn", "rivals")]
    # Three seeds on 50,000 images tell 69.7 from 70.5, and not surely from 69.4 less 0.2.
    assert words == ["inconclusive", "reproduced", "reproduced"]
    assert decided["imagenet-alexnet"] == "not run"


def test_imagenets_own_arms_want_all_of_imagenet_and_a_teacher(root, teacher, tmp_path, capsys):
    given = ["imagenet", "--data", str(root), "--results", str(tmp_path), "--device", "cpu"]
    assert main([*given, "--teacher", str(teacher)]) == 2
    assert re.search(
        r"must be all of imagenet .* 1,281,167 and 50,000 images of 1,000 classes, .* has 80 and 30 "
        r"of 10; --model NAME trains on any folder$",
        capsys.readouterr().err,
    )
    for more, message in (
        (["--dry-run", "--size", "32"], "teacher must be a file of weights of resnet34, got none"),
        (["--arm", "sgd"], "arm of study 'imagenet' must be one of filter, one step, .* got 'sgd'"),
        (["--model", "alexnet"], "model must be one of .*got 'alexnet'"),
        (["--model", "mlp", "--arm", "sgd"], "--arm is of the study imagenet, not of --model: 'sgd'"),
        (["--model", "resnet18", "--batch-size", "90"], "at most the 80 training images, got 90"),
    ):
        assert main([*given, *more]) == 2
        assert re.search(message, said_once(capsys.readouterr().err))


def test_a_network_with_a_teacher_is_another_run_than_without(root, teacher, tmp_path, capsys):
    given = ["imagenet", "--data", str(root), "--results", str(tmp_path), "--device", "cpu"]
    given += ["--model", "mlp", "--width", "8", "--size", "32", "--batch-size", "20", "--epochs", "1"]
    assert main(given) == main([*given, "--teacher", str(teacher)]) == 0
    found = [json.loads(file.read_text()) for file in tmp_path.glob("folder/short/*-s0.json")]
    assert sorted("teacher" in record["result"] for record in found) == [False, True]


def test_a_dry_run_times_every_part_and_records_nothing(root, teacher, tmp_path, capsys):
    given = ["--data", str(root), "--results", str(tmp_path / "none"), *SETTINGS]
    assert main(["imagenet", *given, "--teacher", str(teacher), "--dry-run"]) == 0
    out = capsys.readouterr().out
    for part in PARTS:
        assert re.search(rf"^{part} +[\d.]+ +[\d,]+", out, re.MULTILINE), part
    # Eight share 16 of a batch's 20 images, and need a quarter more steps; 64 have too few.
    for line in (
        r" 1 processes: .* hours for 8 steps, bound by .*",
        r" 8 processes: .* hours for 10 steps of 16 images, as 20 cannot be shared by 8, bound by .*",
        r"64 processes: not with batches of 20, two images each or more",
        r"measured: .* Inferred, for other numbers of processes: .* forward and backward, .*",
    ):
        assert re.search(rf"^{line}$", out, re.MULTILINE), line
    assert not (tmp_path / "none").exists()


def test_hours_follow_from_the_parts():
    seconds = dict(zip(PARTS, (1.0, 0.1, 0.2, 0.3, 0.4, 0.05), strict=True))
    timing = Timing(seconds=seconds, share=50, batch=100, processes=2, workers=10, gradients=10**6,
                    steps=7200, memory=0)  # fmt: skip
    # With two processes what was measured; decoding is a tenth of a second, behind the rest.
    assert timing.step(2) == pytest.approx(0.1 + 0.2 + 0.3 + 0.4 + 0.05)
    assert timing.hours(2) == pytest.approx(2 * timing.step(2))
    # One has twice the images and nobody to wait for; ten have a fifth, and send 9 / 5 as much.
    assert timing.step(1) == pytest.approx(2 * 0.6 + 0.05)
    assert timing.step(10) == pytest.approx(0.6 / 5 + 0.4 * (9 / 5) / 1 + 0.05)
    assert timing.binds(10) == "all-reduce"
    # Eight share 96 images, twelve each, in as many more steps; 64 have one each, which is too few.
    assert timing.step(8) == pytest.approx(0.6 * 12 / 50 + 0.4 * (7 / 4) / 1 + 0.05)
    assert timing.hours(8) == pytest.approx(7200 / 0.96 * timing.step(8) / 3600)
    assert [timing.batch_of(n) for n in (1, 8, 10, 50, 51, 64)] == [100, 96, 100, 100, 0, 0]
    # The paper's batch on ImageNet: every image as often, whatever the number.
    paper = replace(timing, batch=510, steps=600_368)
    for number in (1, 6, 8, 64):
        batch, steps = paper.batch_of(number), paper.steps_of(number)
        assert (batch % number, batch) == (0, {8: 504, 64: 448}.get(number, 510))
        assert (steps - 1) * batch < 600_368 * 510 <= steps * batch
    assert replace(timing, workers=0).step(2) == pytest.approx(1.0 + 1.05)
    assert replace(timing, workers=1).binds(2) == "all-reduce"
    assert replace(timing, workers=1, seconds={**seconds, "decode": 2.0}).binds(2) == "decode"


def test_a_checkpoint_holds_what_it_was_given_and_is_its_own_trainings(tmp_path):
    listed = [1, (2.5, None, "x"), {0: torch.ones(2, 2).double()}]
    state = {"a": torch.arange(3), "b": listed, "c": True}
    image = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    with processes("cpu") as group:
        checkpoint = ShardedCheckpoint(tmp_path, {"seed": 1}, group)
        assert checkpoint.load() is None
        checkpoint.save(1, {"a": torch.zeros(3)})
        checkpoint.save(2, {**state, "image": image})
        assert [entry.name for entry in tmp_path.iterdir()] == ["step-000000002"]
        (tmp_path / ".step-000000003").mkdir()  # what a killed process leaves
        found = checkpoint.load()
        assert torch.equal(found["image"], image)
        assert found["image"].stride() == image.stride()
        assert (found["c"], found["b"][:2]) == (True, state["b"][:2])
        assert torch.equal(found["b"][2][0], state["b"][2][0])
        with pytest.raises(ValueError, match=r"step-000000002 is of another training: its seed differ"):
            ShardedCheckpoint(tmp_path, {"seed": 2}, group).load()
        for name in (
            "__0_0.distcp",
            ".metadata",
        ):  # a process's share, and what says where its parts are
            (tmp_path / "step-000000002" / name).write_bytes(b"")
            with pytest.raises(
                ValueError, match=r"step-000000002 cannot be read .*; remove it to start"
            ):
                checkpoint.load()


def test_loading_and_shares_are_checked(root):
    for given, message in (
        ({"workers": -1}, "workers must be a whole number of 0 or more, got -1"),
        ({"every": 0}, "every must be a whole number of 1 or more, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            Loading(**given)
    folder = ImageFolder(root, 32)
    image_folder.require_shares(RunConfig(batch_size=20), folder, 10)
    for batch, size in ((20, 20), (20, 8)):
        with pytest.raises(ValueError, match=rf"multiple of the {size} processes.* got {batch}"):
            image_folder.require_shares(RunConfig(batch_size=batch), folder, size)


def test_a_sweep_says_how_such_a_study_is_run(capsys, tmp_path):
    status = main(["run", "imagenet", "--preset", "paper", "--results", str(tmp_path)])
    assert status == 2
    assert "torchrun --nproc-per-node=N -m bnnstudy imagenet" in said_once(
        "\n".join(line for line in capsys.readouterr().err.splitlines() if "records go to" not in line)
    )
    assert not list(tmp_path.rglob("*.json"))
    assert json.dumps(studies.STUDIES["imagenet"].seeds) == '{"paper": 3}'


def test_a_checkpoint_and_its_folders_are_names_on_the_disk(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def watch(handle):
        synced.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watch)
    with processes("cpu") as group:
        ShardedCheckpoint(tmp_path / "a" / "b", {}, group).save(1, {"weights": torch.ones(3)})
    assert {tmp_path, tmp_path / "a", tmp_path / "a" / "b"} <= set(synced)
