"""Whatever reads a file, a record or a command line, given damaged and forged ones."""

import contextlib
import dataclasses
import gzip
import hashlib
import io
import json
import os
import shutil
import tempfile
import wave
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import nn

from bnnstudy import __main__ as command_line
from bnnstudy import data
from bnnstudy import nn as our_nn
from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage
from bnnstudy.data import audio, datasets, imagenet, images
from bnnstudy.evidence import provenance, records, right
from bnnstudy.evidence.claims import Claim, Difference
from bnnstudy.evidence.records import RecordError
from bnnstudy.evidence.verdicts import decide
from bnnstudy.experiments import lookup, sweep
from bnnstudy.experiments.study import Arm, Study
from bnnstudy.nn import packed
from bnnstudy.studies import history
from bnnstudy.training import ShardedCheckpoint, load_teacher, processes
from bnnstudy.training.checkpoints import Checkpoint
from fuzzing import mutation
from fuzzing.engine import SPARE, Target

SMALL = images.Source((4, 4), 20, 10, "MNIST")
SPOKEN = audio.Source(speakers=1, takes=11)


def folder() -> Path:
    """A folder that goes when the process ends."""
    memory = "/dev/shm"  # where there is one: a million files are written
    where = memory if os.access(memory, os.W_OK) else None
    made = tempfile.TemporaryDirectory(prefix="fuzzing-", dir=where)
    _FOLDERS.append(made)
    return Path(made.name)


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


@contextlib.contextmanager
def instead(where: Any, name: str, value: Any) -> Iterator[None]:
    """While it lasts an entry or an attribute is another."""
    entries = where if isinstance(where, dict) else vars(where)
    before = entries[name]
    put = where.__setitem__ if isinstance(where, dict) else lambda n, v: setattr(where, n, v)
    put(name, value)
    try:
        yield
    finally:
        put(name, before)


def forget() -> None:
    """Have the next `data.load` read its files again."""
    datasets._parts.cache_clear()
    datasets._standard.cache_clear()


def _arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    found: dict[str, np.ndarray] = {}
    for part, size in (("train", 20), ("test", 10)):
        found[f"{part}_images"] = random.integers(0, 256, (size, 4, 4), dtype=np.uint8)
        found[f"{part}_labels"] = random.integers(0, 10, size, dtype=np.uint8)
    return found


def _file(name: str, path: Path, seed: bytes, load: Callable[[], object], **options: Any) -> Target:
    """A file whose bytes are changed before it is loaded."""

    def call(given: bytes) -> None:
        path.write_bytes(given)
        load()

    names = (str(path), *options.pop("names", ()))
    return Target(name, [seed], mutation.of_bytes, call, names=names, guided=True, **options)


def _mnist_at(root: Path) -> None:
    forget()
    with instead(images.SOURCES, "mnist", SMALL):
        data.load("mnist", root)


def _npz() -> list[Target]:
    root, stream = folder(), io.BytesIO()
    np.savez_compressed(stream, **_arrays())
    members = {}
    for name, array in _arrays().items():
        member = io.BytesIO()
        np.save(member, array)
        members[f"{name}.npy"] = member.getvalue()

    def mutate(random: Random, given: dict[str, bytes]) -> dict[str, bytes]:
        name = random.choice(list(given))
        return {**given, name: mutation.of_bytes(random, given[name])}

    def call(given: dict[str, bytes]) -> None:
        with zipfile.ZipFile(root / "mnist.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in given.items():
                archive.writestr(name, content)
        _mnist_at(root)

    bytewise = _file(
        "mnist.npz", root / "mnist.npz", stream.getvalue(), lambda: _mnist_at(root), bounded=SPARE
    )
    members_of = Target("mnist.npz, members", [members], mutate, call, names=bytewise.names,
                        guided=True,
                        bounded=SPARE)  # fmt: skip
    return [bytewise, members_of]


def _torchvision() -> list[Target]:
    found = []
    for packed_too in (False, True):
        root = folder()
        raw = root / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for part, name in (("train", "train"), ("test", "t10k")):
            pixels, labels = _arrays()[f"{part}_images"], _arrays()[f"{part}_labels"]
            for kind, magic, array in (("images-idx3", 2051, pixels), ("labels-idx1", 2049, labels)):
                header = np.array([magic, *array.shape], dtype=">i4").tobytes()
                (raw / f"{name}-{kind}-ubyte").write_bytes(header + array.tobytes())
        file = raw / "train-images-idx3-ubyte"
        content = file.read_bytes()
        if packed_too:
            file, content = file.with_suffix(".gz"), gzip.compress(content)
        names = (f"MNIST in {root}",)
        name = "mnist idx.gz" if packed_too else "mnist idx"
        found.append(_file(name, file, content, lambda root=root: _mnist_at(root), names=names))
    return found


def _cifar() -> Target:
    root = folder()
    file = root / "cifar-10-batches-py" / "data_batch_1"
    file.parent.mkdir()

    def load() -> None:
        forget()
        data.load("cifar10", root)

    return _file("cifar10 batch", file, bytes(3000), load)


def _wav(seconds: float = 0.02, rate: int = 8_000) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(np.arange(int(rate * seconds), dtype="<i2").tobytes())
    return stream.getvalue()


def _recordings() -> list[Target]:
    root = folder()
    names = [f"{digit}_ada_{take}.wav" for digit in range(10) for take in range(11)]
    (root / "fsdd").mkdir()
    for name in names:
        (root / "fsdd" / name).write_bytes(_wav())

    def load(root: Path = root) -> None:
        forget()
        with instead(audio.SOURCES, "fsdd", SPOKEN):
            data.load("fsdd", root)

    called = folder() / "fsdd"

    def with_names(given: list[str]) -> None:
        shutil.rmtree(called, ignore_errors=True)
        called.mkdir()
        for name in given:
            with contextlib.suppress(OSError, ValueError):
                (called / name).write_bytes(b"")
        load(called.parent)

    def renamed(random: Random, given: list[str]) -> list[str]:
        at = random.randrange(len(given))
        text = mutation.of_bytes(random, given[at].encode()).decode("latin-1").replace("/", "_")
        return [*given[:at], text, *given[at + 1 :]]

    wav = _file(
        "fsdd wav", root / "fsdd" / "0_ada_0.wav", _wav(rate=16_000), load, bounded=2**27, share=0.2
    )
    return [wav, Target("fsdd names", [names], renamed, with_names, names=(str(called),))]


def _image() -> Target:
    from PIL import Image

    root, stream = folder(), io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(stream, "PNG")
    for split in imagenet.SPLITS:
        (root / split / "cat").mkdir(parents=True)
    (root / "train" / "cat" / "0.png").write_bytes(stream.getvalue())
    file = root / "val" / "cat" / "0.png"

    def load() -> None:
        for _ in imagenet.batches(root, "val", 1, 8):
            pass

    return _file("imagenet image", file, stream.getvalue(), load, bounded=SPARE)


CONFIG = RunConfig(lr=0.5, seed=3, preset="desk", stages=(
    Stage(epochs=9, changes=(("clamp", True),)), Stage(
    epochs=1)), drops=(), betas=(0.9, 0.99))  # fmt: skip
RESULT = {
    "validation_accuracy": 0.5, "test_accuracy": 0.25, "best_epoch": 2, "diverged": False,
    "last": {"validation_accuracy": 0.5, "test_accuracy": 0.25},
    "curves": {"validation_accuracy": [0.25, 0.5], "test_accuracy": [0.5, 0.25],
               "train_loss": [0.5, None]},
    "flip_ratio": {"steps": [1, 10], "all": [0.5, 0.25]},
    "parts": {"0.9": {"validation_accuracy": 0.5, "test_accuracy": 0.75}},
    "right": right.keep({"test_accuracy": np.arange(400) % 3 > 0}),
}  # fmt: skip


def _record(config: RunConfig = CONFIG, arm: str = "adam") -> dict[str, Any]:
    origin = provenance.Provenance(
        versions={"torch": "2.15.0", "bnnstudy": None}, device="cpu", seconds=1.5, precision="float32",
        commit=None, source="0" * 16, data="1cf1f67f93a81ea0",
    )  # fmt: skip
    made = records.make("toy", arm, config, RESULT, origin, {"every": 2})
    return json.loads(json.dumps(made))


def _written(given: Any, file: Path) -> None:
    """A record with the digest that its parts have: forged, not damaged."""
    with contextlib.suppress(Exception):  # what has none keeps its own
        given = {**given, "digest": records._digest(given)}
    try:
        file.write_text(json.dumps(given), encoding="utf-8")
    except (ValueError, RecursionError, OSError):  # more digits than Python writes
        file.write_text("[" * 9999)


def _records() -> list[Target]:
    file = records.path(folder(), "toy", CONFIG, {"every": 2})
    file.parent.mkdir(parents=True)
    whole = (json.dumps(_record()) + "\n").encode()

    def forged(given: Any) -> None:
        _written(given, file)
        records.load(file)

    shared: dict[str, Any] = {"errors": (RecordError,), "guided": True}
    return [
        _file("record", file, whole, lambda: records.load(file), errors=(RecordError,), bounded=SPARE),
        Target("record, forged", [_record()], mutation.of_json, forged, names=(str(file),), **shared),
        _curves(),
        Target("RunConfig.from_dict", [CONFIG.to_dict(), RunConfig().to_dict()], mutation.of_json,
               RunConfig.from_dict,
               names=(*RunConfig.__dataclass_fields__, "field", "stage"), guided=True),
        Target("Stage.from_dict", [{"epochs": 1, "changes": [["lr", 0.1]], "rate": 1.0}],
               mutation.of_json, Stage.from_dict, names=("stage",), guided=True),
        Target("right", [RESULT["right"]], mutation.of_json,
               lambda given: right.unpack({"right": given}, "test_accuracy"),
               names=("right",), guided=True),
    ]  # fmt: skip


def _curves() -> Target:
    """What records say of a claim, where the result of one of them was forged."""
    results, plain = folder(), RunConfig(epochs=2)
    arms = (
        Arm(name="adam", config=plain),
        Arm(name="sgd", config=RunConfig(epochs=2, optimizer="sgd")),
    )
    claim = Claim(id="x", paper="ours", source="tests", text="Text.", contrast=Difference(
        metric="test_accuracy", arm="adam", control="sgd"))  # fmt: skip
    study = Study(name="toy", title="A toy", claims=(claim,), arms={"quick": arms}, seeds={"quick": 3})
    origin = {"source": provenance.source_fingerprint()}
    for arm in arms:
        for seed in range(3):
            config = RunConfig(**{**arm.config.differences(), "seed": seed})
            made = _record(config, arm.name)
            made["provenance"] |= origin
            del made["options"]
            file = records.path(results, "toy", config)
            file.parent.mkdir(parents=True, exist_ok=True)
            _written(made, file)

    def call(given: Any) -> None:
        _written({**made, "result": given}, file)
        found = lookup.curves(study, "quick", results)
        decide(claim, found)

    names = (str(file), "arm 'sgd'")
    return Target("curves", [RESULT], mutation.of_json, call, (RecordError,), names, guided=True)


def _ledger() -> list[Target]:
    file = folder() / "history.jsonl"
    lines = history.FILE.read_text().splitlines()[:6]
    entries = [json.loads(line) for line in lines]

    def load() -> None:
        with instead(history, "FILE", file):
            history.entries.cache_clear()
            try:
                history.entries()
            finally:
                history.entries.cache_clear()  # forged ones are nobody else's

    def forged(given: Any) -> None:
        rows = given if isinstance(given, list) else [given]
        try:
            file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        except (ValueError, RecursionError):
            return
        load()

    return [
        _file("history", file, "\n".join(lines).encode(), load),
        Target("history, forged", [entries], mutation.of_json, forged, names=(str(file),), guided=True),
    ]


def _checkpoint() -> list[Target]:
    file = folder() / "run.checkpoint"
    given = (CONFIG, "data", "cpu", ["FlipRatio"])

    def load() -> None:
        Checkpoint(file).load(*given)

    with contextlib.suppress(OSError):
        load()
    kept = Checkpoint(file)
    kept.load(*given)
    kept._written = -1e9
    kept.save(lambda: {"weights": torch.ones(3, 4), "epoch": 3})
    whole = file.read_bytes()
    payload = whole.partition(b"\n")[2]
    saved = torch.load(io.BytesIO(payload), weights_only=True)

    def forged(content: bytes) -> None:
        file.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        load()

    def saved_anew(value: Any) -> None:
        stream = io.BytesIO()
        torch.save(value, stream)
        forged(stream.getvalue())

    def mutate(random: Random, value: Any) -> Any:
        changed = mutation.of_json(random, value)
        if random.random() < 0.2 and isinstance(changed, dict):
            changed[random.choice(list(changed) or ["run"])] = torch.ones(2)
        return changed

    shared: dict[str, Any] = {
        "errors": (UserWarning,),
        "names": (str(file),),
        "guided": True,
        "share": 0.3,
    }
    return [
        _file("checkpoint", file, whole, load, errors=(UserWarning,), bounded=SPARE),
        Target("checkpoint, forged", [payload], mutation.of_bytes, forged, bounded=SPARE, **shared),
        Target("checkpoint, values", [saved], mutate, saved_anew, **shared),
    ]


def _packed() -> list[Target]:
    file = folder() / "net"

    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(
            our_nn.BinaryLinear(8, 4, bias=False, weights="binary"), nn.BatchNorm1d(4)
        ).eval()

    model = network()
    our_nn.save_packed(model, file)
    whole = file.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    manifest = json.loads(json.loads(whole[8 : 8 + size])["__metadata__"]["bnnstudy"])
    tensors = safetensors.torch.load(whole)

    def load() -> None:
        our_nn.load_packed(model, file)

    def forged(given: Any) -> None:
        with contextlib.suppress(Exception):
            given = {**given, "digest": packed._digest(tensors)}
        try:
            file.write_bytes(safetensors.torch.save(tensors, metadata={"bnnstudy": json.dumps(given)}))
        except (ValueError, RecursionError, UnicodeError):
            return
        load()

    return [
        _file("packed network", file, whole, load, bounded=SPARE),
        Target("packed network, forged", [manifest], mutation.of_json, forged, names=(str(file),),
               guided=True),
    ]  # fmt: skip


def _teacher() -> list[Target]:
    """A teacher's weights; of a network that is as small as its file."""
    import torchvision

    file, stream = folder() / "teacher.pt", io.BytesIO()

    def small(weights: None, num_classes: int) -> nn.Module:
        made = nn.Sequential()
        made.add_module("fc", nn.Linear(2, num_classes))
        return made

    weights = small(None, 3).state_dict()
    torch.save(weights, stream)

    def load(**given: Any) -> None:
        with instead(torchvision.models, "resnet34", small):
            load_teacher(**{"file": file, "classes": 3, **given})

    def saved_anew(value: Any) -> None:
        torch.save(value, file)
        load()

    def other(given: dict[str, Any]) -> None:
        torch.save(weights, file)
        load(**given)

    def mutate(random: Random, value: Any) -> Any:
        name = random.choice(list(value))
        changed = {**value, name: random.choice([[], 1, "a", None, torch.ones(2), torch.ones(2, 2)])}
        if random.random() < 0.3:
            changed[random.choice(mutation.TEXTS[:9])] = changed.pop(name)
        return changed if random.random() < 0.9 else random.choice(([changed], torch.ones(2), 3))

    return [
        _file("teacher", file, stream.getvalue(), load, bounded=SPARE),
        Target("teacher, values", [dict(weights)], mutate, saved_anew, names=("teacher",)),
        Target("teacher, arguments", [{"file": file, "classes": 3}], mutation.of_arguments, other,
               (ValueError, FileNotFoundError), ("teacher", "file", "classes")),
    ]  # fmt: skip


def _sharded() -> Target:
    """The files of a checkpoint of several processes.

    `.metadata` is cut and nothing else: torch unpickles it, and other bytes may make it do anything.
    """
    at = folder()
    with processes("cpu") as group:
        kept = ShardedCheckpoint(at, {"seed": 1}, group)
        whole = kept.save(20, {"weights": torch.ones(3), "losses": [0.5, 0.25]})
        files = {file.name: file.read_bytes() for file in whole.iterdir()}

    def mutate(random: Random, given: dict[str, bytes]) -> dict[str, bytes]:
        name = random.choice(list(given))
        if name == ".metadata":
            return {**given, name: given[name][: random.randrange(len(given[name]))]}
        return {**given, name: mutation.of_bytes(random, given[name])}

    def call(given: dict[str, bytes]) -> None:
        for name, content in given.items():
            (whole / name).write_bytes(content)
        with processes("cpu") as group:
            ShardedCheckpoint(at, {"seed": 1}, group).load()

    return Target("sharded checkpoint", [files], mutate, call, names=(str(whole),))


class Said(Exception):
    """The line that the command line ends in."""


def _command_line() -> Target:
    results = str(folder())
    seeds = [
        ["list"],
        ["run", "two_views", "--preset", "desk", "--seeds", "2-3", "--workers", "2", "--stack", "2",
         "--device", "cpu", "--arms", "a*", "--results", results, "--data", results],
        ["report", "--results", results, "--json"],
        ["convert", "--lr", "0.1", "--weight-decay", "1e-4", "--momentum", "0.9", "--steps", "100"],
    ]  # fmt: skip
    words = sorted({word for seed in seeds for word in seed})
    odd = ("9" * 5000, "-1", "1e999", "nan", "inf", "-inf", "1_0", "٣", "1e400", "5-3", "0-99999999999",
           "--",
           "-", "@x", "--help", "/dev/null", "/proc/self/mem", "--lr=", "--seeds=",
           *mutation.TEXTS)  # fmt: skip

    def mutate(random: Random, given: list[str]) -> list[str]:
        changed = list(given)
        for _ in range(random.choice((1, 1, 2, 3))):
            at = random.randrange(len(changed) + 1)
            word = random.choice((random.choice(words), random.choice(odd), random.choice(odd)))
            kind = random.random()
            if kind < 0.6 and at < len(changed):
                changed[at] = word
            elif kind < 0.8:
                changed.insert(at, word)
            elif changed:
                del changed[min(at, len(changed) - 1)]
        return changed

    def call(given: list[str]) -> None:
        out, err = io.StringIO(), io.StringIO()
        # Nothing is trained, and no report is put together, which takes long.
        quick = [
            instead(sweep, "run", lambda *a, **k: []),
            instead(lookup, "curves", lambda *a, **k: {}),
        ]
        with contextlib.ExitStack() as stack:
            for one in (*quick, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)):
                stack.enter_context(one)
            try:
                status = command_line.main(given)
            except SystemExit as error:
                status = error.code
        if status != 0:
            lines = err.getvalue().splitlines()
            assert status == 2, status
            assert not out.getvalue(), out.getvalue()
            assert len(lines) == 1, lines
            raise Said(lines[0])

    return Target("command line", seeds, mutate, call, (Said,), ("bnnstudy: ",), guided=True)


SHARES = {
    "mnist idx": 0.1, "fsdd wav": 0.03, "fsdd names": 0.05, "curves": 0.05, "command line": 0.15,
    "mnist.npz, members": 0.3, "imagenet image": 0.3, "checkpoint": 0.3, "checkpoint, forged": 0.3,
    "checkpoint, values": 0.3, "sharded checkpoint": 0.02, "teacher, values": 0.3,
}  # fmt: skip
"""What takes milliseconds has fewer inputs."""


def targets() -> list[Target]:
    """All of them."""
    found = [*_npz(), *_torchvision(), _cifar(), *_recordings(), _image(), *_records(), *_ledger(),
             *_checkpoint(), *_packed(), *_teacher(), _sharded(), _command_line()]  # fmt: skip
    return [dataclasses.replace(one, share=SHARES.get(one.name, 1.0)) for one in found]
