"""What trains and what it trains, given arguments of every wrong kind: data, networks, callbacks."""

import functools
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import torch
from torch import nn
from torch.distributed import HashStore  # type: ignore[attr-defined]

from bnnstudy import data, devices, optim, training
from bnnstudy import nn as our_nn
from bnnstudy.config.run import RunConfig
from bnnstudy.data import imagenet
from bnnstudy.experiments import Arm, run_arm
from bnnstudy.nn import models
from bnnstudy.training import callbacks, image_folder
from fuzzing.calls import of_call
from fuzzing.engine import Target
from fuzzing.loaders import folder, instead

SMALL = RunConfig(width=4, depth=1, epochs=1, train_size=200)
ITS_OWN: dict[str, Any] = {
    "errors": (ValueError, RuntimeError, IndexError),
    "names": ("shape", "size of tensor", "dtype", "channels", "Dimension"),
}
"""What a network itself says where inputs of a good kind are not of its shape."""

ITS_CALL = ("Context", "argument")
"""What a class or function says that takes no context, where it is given for a callback."""


def _digits() -> data.Dataset:
    return data.load("digits", train_size=200)


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), our_nn.BinaryLinear(64, 10, scaling="mean"), nn.BatchNorm1d(10))


def _inside(enter: Callable[..., Any]) -> Callable[..., None]:
    """A context that is entered and left."""

    @functools.wraps(enter)
    def call(**arguments: Any) -> None:
        with enter(**arguments):
            pass

    return call


def _values() -> list[Target]:
    split = {
        "images": torch.zeros(3, 1, 4, 4, dtype=torch.uint8),
        "labels": torch.zeros(3, dtype=torch.int64),
    }
    part, moments = data.Split(**split), torch.ones(1, 1, 1, dtype=torch.float64)
    dataset = {"name": "mnist", "train": part, "validation": part, "test": part, "classes": 10,
               "mean": moments, "std": moments, "fingerprint": "0" * 16}  # fmt: skip
    row = {"name": "0", "kind": "BinaryLinear", "binary_weights": 8, "real_weights": 1,
           "binary_macs": 8, "mixed_macs": 0, "real_macs": 0, "memory": 5.0}  # fmt: skip
    timing = {"seconds": dict.fromkeys(("decode", "copy", "forward", "backward", "all-reduce",
                                        "optimizer"), 0.1),
              "share": 5, "batch": 10, "processes": 2, "workers": 1, "gradients": 100, "steps": 9,
              "memory": 1}  # fmt: skip
    group = {"rank": 0, "size": 1, "device": torch.device("cpu"), "store": HashStore()}
    return [
        of_call("Split", data.Split, split, use=len),
        of_call("Dataset", data.Dataset, dataset, use=lambda d: (d.shape, d.inputs(d.test.images))),
        of_call("LayerSummary", models.LayerSummary, row, use=hash),
        of_call("Timing", training.Timing, timing, use=lambda t: t.lines()),
        of_call("Processes", training.Processes, group, use=lambda p: p.is_first),
        of_call("Loading", training.Loading, {"workers": 1, "compile": False, "every": 5}, use=hash),
    ]


def _data() -> list[Target]:
    draws = torch.Generator().manual_seed(0)
    images_at = folder()
    for split in imagenet.SPLITS:
        (images_at / split / "cat").mkdir(parents=True)
        (images_at / split / "cat" / "0.png").write_bytes(b"")
    of_name = {"name": "mnist"}
    known = [
        of_call(name, getattr(data, name), of_name, names=("dataset",), share=0.3)
        for name in ("shape_of", "sizes_of", "classes_of")
    ]
    return [
        *known,
        of_call("steps_of_epoch", data.steps_of_epoch, {"config": SMALL}, share=0.3),
        of_call("augmentation", data.augmentation, {
            "name": "crop_flip", "size": 20, "generator": draws, "device": "cpu"},
            names=("augmentation",)),
        of_call("augmentation_of_many", data.augmentation_of_many, {
            "name": "crop_flip", "size": 20, "generators": [draws, draws], "device": "cpu"},
            names=("augmentation",)),
        of_call("ImageFolder", data.ImageFolder, {"folder": images_at, "size": 8},
                use=lambda f: (f.shape, f.classes, f.fingerprint, f.labels("val")), share=0.3,
                names=("no folder",), errors=(ValueError, FileNotFoundError)),
    ]  # fmt: skip


def _networks() -> list[Target]:
    network, images = _network(), torch.ones(4, 1, 8, 8)
    packed = folder() / "net"
    layer = nn.Linear(3, 3)
    of_model: dict[str, Any] = {"share": 0.3}
    return [
        of_call("evaluating", _inside(our_nn.evaluating), {"model": network}, **of_model),
        of_call("mark_twin", our_nn.mark_twin, {"layer": layer}, use=our_nn.observed_weights,
                share=0.3),
        of_call("observed_weights", our_nn.observed_weights, {"model": network}, **of_model),
        of_call("split_parameters", our_nn.split_parameters, {"model": network}, share=0.3,
                errors=(TypeError, ValueError)),
        of_call("to_signs", our_nn.to_signs, {"model": network, "images": images}, share=0.3,
                **ITS_OWN),
        of_call("save_packed", functools.partial(our_nn.save_packed, file=packed),
                {"model": our_nn.to_signs(network)}, **of_model),
        of_call("OutputScale", our_nn.OutputScale, {
            "scale": torch.ones(3), "bias": torch.ones(3), "dim": -1}, use=repr),
        of_call("summary", models.summary, {"model": network, "shape": (1, 8, 8)}, share=0.3,
                **ITS_OWN),
        of_call("build_optimizers", optim.build_optimizers, {
            "config": SMALL, "model": network, "check_finite": True}, share=0.3),
        of_call("trace", functools.partial(optim.trace, functools.partial(torch.optim.SGD, lr=0.1)), {
            "start": torch.ones(2, dtype=torch.float64), "factors": (1.0, 0.5), "clamp": True,
            "gradients": torch.ones(2, 2, dtype=torch.float64)}, share=0.3),
        of_call("flip_ratios", optim.flip_ratios, {"path": torch.ones(3, 2)}, share=0.3),
    ]  # fmt: skip


def _trainings() -> list[Target]:
    digits, network = _digits(), _network()
    cpu = torch.device("cpu")
    rare: dict[str, Any] = {"share": 0.02}
    inputs = [digits.inputs(digits.test.images[:20])]
    on_model = {"model": network, "dataset": digits}
    return [
        of_call("fit", training.fit, {"config": SMALL, "dataset": digits, "device": "cpu",
                                      "callbacks": (callbacks.LossSums,), "progress": False,
                                      "checkpoint": None, "with_model": False},
                errors=(ValueError, TypeError), names=ITS_CALL, **rare),
        of_call("fit_stacked", training.fit_stacked, {
            "config": SMALL, "seeds": [0, 1], "dataset": digits, "device": "cpu"}, **rare),
        of_call("run_arm", run_arm, {
            "arm": Arm(name="a", config=SMALL), "config": SMALL, "dataset": digits, "device": "cpu",
            "checkpoint": None}, errors=(ValueError, TypeError), **rare),
        of_call("Run", training.Run, {
            "config": SMALL, "dataset": digits, "device": cpu, "callbacks": (callbacks.Signs,)},
                use=lambda run: run.finished, errors=(ValueError, TypeError), names=ITS_CALL,
                share=0.1),
        of_call("FlipCounter", training.FlipCounter, {
            "model": network, "weights": [network[1].weight]},
                use=lambda counter: (counter.before(), counter.after(), counter.layers)),
        of_call("Step", training.Step, {
            "config": SMALL, "model": network, "steps": 10, "callbacks": (), "loss": None},
                use=lambda step: step.finite(), share=0.1),
        of_call("evaluate", training.evaluate, {**on_model, "split": digits.test, "batch": 100},
                share=0.1),
        of_call("accuracies", training.accuracies, on_model, share=0.1),
        of_call("reestimate", training.reestimate, {"model": network, "batches": inputs}, share=0.3,
                **ITS_OWN),
        of_call("reestimated", _inside(training.reestimated), {
            "model": network, "batches": inputs}, share=0.3, **ITS_OWN),
        of_call("estimation_batches", training.estimation_batches, {
            "dataset": digits, "images": 100, "batch": 10, "dtype": torch.float32}, share=0.3),
        of_call("first_gradients", training.first_gradients, {
            "config": SMALL, "dataset": digits, "images": 10}, share=0.1),
        of_call("training.processes", _inside(training.processes), {"device": "cpu"}, share=0.02),
        *_of_folders(),
    ]  # fmt: skip


def _of_folders() -> list[Target]:
    images = Mock(shape=(3, 32, 32), classes=10, count=lambda split: 40)
    config = RunConfig(model="resnet18", width=2, batch_size=20)
    at = folder()

    def run(**arguments: Any) -> None:
        with training.processes("cpu") as group:
            training.FolderRun(**{"folder": images, "group": group, **arguments})

    def sharded(**arguments: Any) -> None:
        with training.processes("cpu") as group:
            training.ShardedCheckpoint(**{"group": group, **arguments}).load()

    return [
        of_call("FolderRun", run, {"config": config, "teacher": None,
                                   "loading": image_folder.Loading()}, share=0.02,
                names=("batch_size",)),
        of_call("ShardedCheckpoint", sharded, {"folder": at, "run": {"seed": 1}}, share=0.02),
    ]  # fmt: skip


def _callbacks() -> list[Target]:
    """Every callback that there is, made in a run."""
    options: dict[str, dict[str, Any]] = {
        "FlipRatio": {"points": 5}, "UpdateSize": {"points": 5}, "PositiveInputs": {"images": 5},
        "Gradients": {"count": 5}, "AveragedWeights": {"images": 100},
        "Averages": {"momenta": {"slow": 0.1, "fast": 0.5}, "images": 100},
        "ReestimatedStart": {"images": 100},
        "FlipBudget": {"control": "none", "alpha": 0.1, "gamma": 0.5},
    }  # fmt: skip
    configs = {
        "ShadowOptimizers": RunConfig(
            width=4, depth=1, optimizer="latent_sgd", lr=0.1, weight_decay=0.1, gamma=0.5, epochs=1
        ),
        "Averages": RunConfig(width=4, depth=1, epochs=1, batch_norm_momentum=1.0),
    }
    found = []
    for name in callbacks.__all__:
        if name in ("Callback", "Context"):
            continue
        context = _context(configs.get(name, SMALL))
        given = {"context": context, **options.get(name, {})}
        found.append(of_call(name, getattr(callbacks, name), given, use=_watched, share=0.1))
    names = ("config", "model", "optimizers", "steps")
    parts = {name: getattr(context, name) for name in names}
    made = functools.partial(training.Context, dataset=context.dataset)  # a folder of images has none
    return [
        of_call("Context", made, parts, share=0.3),
        of_call("Callback", training.Callback, {"context": context}, share=0.3),
        *found,
    ]


def _context(config: RunConfig) -> training.Context:
    digits = _digits()
    model = models.build(config, digits.shape, digits.classes)
    return training.Context(
        config=config, model=model, optimizers=optim.build_optimizers(config, model), steps=2,
        dataset=digits,
    )  # fmt: skip


def _watched(callback: training.Callback) -> None:
    """A run of two steps, in which no weight moves."""
    for weight in callback.context.model.parameters():
        weight.grad = torch.zeros_like(weight)
    for step in (1, 2):
        callback.before_step(step)
        callback.after_step(step)
    callback.after_epoch(1, 0.5)
    callback.result(), callback.curves(), callback.state_dict()


def _devices() -> list[Target]:
    here: dict[str, Any] = {"share": 0.3}

    def compiling(wanted: Any) -> None:
        with instead(devices, "compiler_error", lambda device: ""), devices.compiling(wanted):
            pass

    def required(device: Any) -> None:
        with instead(devices, "compiler_error", lambda device: ""):
            devices.require_compiler(device)

    return [
        of_call("device_of", devices.device_of, {"name": "cpu"}, names=("device",), **here),
        of_call("place_of", devices.place_of, {"device": "cpu"}, **here),
        of_call("place_here", devices.place_here, {"device": "cpu"}, **here),
        of_call("require_gpus", devices.require_gpus, {"number": 0, "device": "cpu"},
                names=("gpus",), **here),
        of_call("device_name", devices.device_name, {"device": "cpu"}, **here),
        of_call("one_thread", _inside(devices.one_thread), {"device": "cpu"}, **here),
        of_call("compiling", compiling, {"wanted": True}, **here),
        of_call("compiled", devices.compiled, {"function": abs, "replay": False}, **here),
        of_call("require_compiler", required, {"device": "cpu"}, **here),
    ]  # fmt: skip


def targets() -> list[Target]:
    """All of them."""
    return [
        *_values(),
        *_data(),
        *_networks(),
        *_trainings(),
        *_callbacks(),
        *_devices(),
    ]
