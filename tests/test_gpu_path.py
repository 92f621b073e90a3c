"""The GPU's path, without a GPU: three steps of every kind of arm on devices that compute nothing.

There are two such devices. Tensors on `meta` have a shape and no values; they go forward and backward.
Fake tensors say that they are on `cuda`, so what a GPU alone takes (torch's fused optimizers) is taken;
without a driver torch refuses to go backward with them, and gradients are put in place of that. Each
of the two by itself is blind to some tensors that were left on the CPU (`meta` in products of matrices,
both in what goes over lists of tensors); `_OneDevice` looks at every operation.

Three things are set aside: autocast, which refuses `meta`; what is compiled; and the start of the
filter view, which waits for the device as it checks that weights are ±1. Its later steps are tried.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bnnstudy import data, studies
from bnnstudy.config.run import RunConfig
from bnnstudy.data import Dataset, Split
from bnnstudy.nn import binarize, models
from bnnstudy.nn.activations import BinaryActivation
from bnnstudy.nn.layers import BinaryLinear
from bnnstudy.nn.parameters import observed_weights
from bnnstudy.optim import LatentSGD, registry
from bnnstudy.training import metrics, stacked
from bnnstudy.training.evaluation import evaluate
from bnnstudy.training.step import Step

STEPS, BATCH, CLASSES = 3, 4, 10
SIDES = {"reactnet_a": (32,), "resnet18": (8, 72), "birealnet18": (8, 72)}
"""Height and width of images by network; 72 has ImageNet's stem. Elsewhere 8."""

STANDARD = (
    "dataset", "preset", "seed", "train_size", "epochs", "lr", "real_lr", "betas", "momentum",
    "alpha", "gamma", "threshold", "batch_norm_momentum", "batch_norm_eps",
)  # fmt: skip
"""Data, sizes and numbers that all kinds have as a `RunConfig` has them by itself."""

OTHERWISE = {
    "width": 4, "batch_size": BATCH, "weight_decay": 1e-4, "real_weight_decay": 1e-4, "floor": 0.1,
    "drops": (0.5,), "steepness": (0.1, 10.0),
}  # fmt: skip
"""Those that have other values."""

MOVES = ("optimizer", "design", "clamp", "weight_decay", "real_optimizer", "real_weight_decay",
         "lr_scaling", "schedule", "drops", "weight_schedule", "floor")  # fmt: skip
"""What a step does with its gradients."""

AROUND = ("augmentation", "loss", "precision")
"""What stands before and after a network. All other fields are the network's own."""

BY_SPEED = ("mlp", "audio_net", "cnn", "binaryconnect", "resnet18", "birealnet18", "birealnet20",
            "reactnet_a")  # fmt: skip
"""All networks, the fastest first."""


def kind_of(config: RunConfig) -> RunConfig:
    """A configuration of one stage without its data, sizes and numbers.

    A number that is 0 or none stays: another way may be taken there.
    """
    numbers = {name: getattr(RunConfig, name) for name in STANDARD} | OTHERWISE
    apart = (0, None, (), (1.0, 1.0))
    numbers = {name: n for name, n in numbers.items() if getattr(config, name) not in apart}
    names = {
        "init_scale": 1.0,  # of a draw that is made on the CPU
        "depth": 3 if config.model == "audio_net" else 2,
        "precision": "float32" if config.precision == "bfloat16" else config.precision,
        # One function of the step or another: numbers, too.
        "schedule": "constant" if config.schedule == "constant" else "cosine",
        "weight_schedule": config.weight_schedule and "linear",
    }
    if config.optimizer == "designed":  # sections or a window, at a constant rate
        window = config.design in ("boxcar", "hann")
        design = "hann" if window else RunConfig.design
        names |= {"weight_schedule": "constant", "design": design, "matched": RunConfig.matched}
    return replace(config, **numbers, **names)


def kinds() -> Iterator[RunConfig]:
    """Of each stage of each arm of each study, its kind; then what no arm has."""
    for study in studies.STUDIES.values():
        for arms in study.arms.values():
            for arm in arms:
                yield from map(kind_of, arm.config.plan())
    ends = {"real_first": True, "real_last": True, "activation": "sign"}
    large = kind_of(RunConfig(model="reactnet_a", activation_surrogate="approx", **ends))
    yield large
    yield replace(large, model="birealnet18")
    for name in ("bop", "second_order_bop", "filter_normalised"):
        yield replace(large, view="filter", optimizer=name, real_optimizer="adam")


def parts_of(kind: RunConfig) -> set[tuple]:
    """A kind's three parts: network, what stands around it, how weights move.

    They meet in images, outputs and gradients alone, whatever these are; in a network's view and
    whether it is binary, which say what weights there are to move.
    """
    fields = vars(kind)
    own = [(n, value) for n, value in fields.items() if n not in (*MOVES, *AROUND)]
    moves, around = ([(n, fields[n]) for n in names] for names in (MOVES, AROUND))
    return {tuple(own), tuple(around), (*moves, kind.view, kind.binary_weights)}


def fewest(kinds: Iterable[RunConfig], parts: Callable[[RunConfig], set]) -> list[RunConfig]:
    """Kinds in which each part of each of them occurs, on the fastest networks that have it."""
    having = {kind: parts(kind) for kind in kinds}
    chosen: list[RunConfig] = []
    met: set = set()
    for model in BY_SPEED:
        left = [kind for kind in having if kind.model == model]
        while left := [kind for kind in left if having[kind] - met]:
            chosen.append(max(left, key=lambda kind: len(having[kind] - met)))
            met |= having[chosen[-1]]
    return chosen


KINDS = tuple(dict.fromkeys(kinds()))
SMALL = {"model": "mlp", "parts": (), "block": RunConfig.block, "pool": RunConfig.pool}
TRIED = fewest((*KINDS, *(replace(kind, **SMALL) for kind in KINDS)), parts_of)
"""Each part of each kind: all kinds take minutes, most of them for one of two networks."""

STACKS = fewest(
    [kind for kind in TRIED if not stacked.obstacle(kind) and kind.model not in SIDES],
    lambda kind: {*vars(kind).items()} - {("parts", kind.parts)} | {*kind.parts},
)
"""Each value of each field. Two networks are too large to be worth stacking."""


BASE = kind_of(RunConfig())


def named(config: RunConfig) -> str:
    shown = {n: v for n, v in config.differences(BASE).items() if n != "model"}
    return " ".join([config.model, *(f"{name}={value}" for name, value in shown.items())])


READ = torch.ops.aten._local_scalar_dense.default
"""What `.item()`, `bool`, `int` and `float` of a tensor come to."""


class _Fault(Exception):
    """A step did what it must not do on a GPU."""


class _OneDevice(TorchDispatchMode):
    """Refuses waits for the device, and operations on tensors of two devices, copies between them too.

    A single number on the CPU may go into arithmetic: it is handed over with the operation.
    """

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        if function is READ and args[0].device.type != "cpu":
            raise _Fault("a wait for the device")
        copies = function in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
        met = {x.device.type for x in tensors if copies or x.dim() or x.device.type != "cpu"}
        if copies and kwargs.get("device") is not None:
            met.add(torch.device(kwargs["device"]).type)
        if len(met) > 1:
            raise _Fault(f"{function} on several devices: {', '.join(sorted(met))}")
        if function.overloadpacket is torch.ops.aten._fused_sgd_:
            return None  # Torch has no fake of it. It changes what it is given, and gives nothing.
        return function(*args, **kwargs)


class _Answers(TorchDispatchMode):
    """Counts waits for the device, and answers: True and 0, by which a check finds nothing wrong."""

    def __init__(self):
        super().__init__()
        self.waits = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is READ and args[0].device.type != "cpu":
            self.waits += 1
            return True if args[0].dtype is torch.bool else 0
        return function(*args, **(kwargs or {}))


@contextlib.contextmanager
def on_meta() -> Iterator[str]:
    yield "meta"


@contextlib.contextmanager
def on_fake_cuda() -> Iterator[str]:
    # What was built on the CPU may come in; left there it is still refused beside tensors on `cuda`.
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield "cuda:0"


PLACE = pytest.mark.parametrize(
    "place",
    [
        on_meta,
        pytest.param(
            on_fake_cuda,
            # Without CUDA's own code torch ends the process.
            marks=pytest.mark.skipif(not torch.backends.cuda.is_built(), reason="torch without CUDA"),
        ),
    ],
)


@pytest.fixture(autouse=True)
def set_aside(monkeypatch):
    """What such tensors cannot do is left out, or done as a GPU does it."""
    autocast, move = torch.autocast, nn.Module._apply

    def no_autocast(device, *args, **options):
        return contextlib.nullcontext() if device == "meta" else autocast(device, *args, **options)

    def moved(module, function, *args):
        # Torch would swap fake parameters for others, which fails where an optimizer has them.
        if not any(isinstance(p, FakeTensor) for p in module.parameters()):
            return move(module, function, *args)
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.data = function(tensor)
        return module

    monkeypatch.setattr(torch, "autocast", no_autocast)
    monkeypatch.setattr(nn.Module, "_apply", moved)
    if not torch.cuda.is_available():
        _put_gradients(monkeypatch)


def _put_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of going backward on `cuda`, every parameter that a step moves is given a gradient."""
    backward, call = torch.Tensor.backward, Step.__call__
    moved: list[torch.Tensor] = []

    def called(step, *batch):
        groups = [group for optimizer in step.optimizers for group in optimizer.param_groups]
        moved[:] = [p for group in groups for p in group["params"]]
        return call(step, *batch)

    def replaced(loss):
        if loss.device.type != "cuda":
            return backward(loss)
        for p in moved:
            p.grad = torch.empty_like(p)

    monkeypatch.setattr(Step, "__call__", called)
    monkeypatch.setattr(torch.Tensor, "backward", replaced)


def images_on(device: str, side: int) -> Dataset:
    """Images that are nowhere, three batches in each part."""
    size = STEPS * BATCH
    images = torch.empty((size, 3, side, side), dtype=torch.uint8, device=device)
    split = Split(images, torch.empty(size, dtype=torch.int64, device=device))
    moments = [torch.empty((3, 1, 1), dtype=torch.float64, device=device) for _ in range(2)]
    return Dataset("none", split, split, split, CLASSES, *moments, fingerprint="")


def built(config: RunConfig, side: int) -> nn.Module:
    return models.build(config, (3, side, side), CLASSES).train()


def take_steps(
    config: RunConfig, networks: list[nn.Module], there: Dataset, stack: bool = False
) -> Step:
    """Takes three steps on one device, without a wait; flips are counted as in a run.

    Before them the filter view makes its start, which may wait: the step as such, and a first one.
    """
    images, labels = there.train.images, there.train.labels
    numbers = torch.arange(len(labels), device=labels.device).view(STEPS, BATCH)
    order = torch.Generator().manual_seed(0)
    dtype = getattr(torch, config.storage)
    if stack:
        numbers = numbers[:, None].expand(-1, len(networks), -1)
        orders = [order] * len(networks)
        augment = data.augmentation_of_many(config.augmentation, len(labels), orders, labels.device)
    else:
        augment = data.augmentation(config.augmentation, len(labels), order, labels.device)

    def train(batch):
        weights = [*observed_weights(step.model).values()]
        before = [w.detach().clone() for w in weights]
        step(there.inputs(augment(images[batch], batch), dtype), labels[batch])
        torch.stack([metrics.flips(b, w.detach()) for b, w in zip(before, weights, strict=True)])

    starts = config.view == "filter"
    with _OneDevice(), _Answers() if starts else contextlib.nullcontext():
        if stack:
            step = stacked.StackedStep(config, networks, STEPS + 1)
        else:
            step = Step(config, networks[0], STEPS + 1, [])
        if starts:
            train(numbers[0])
    with _OneDevice():
        for batch in numbers:
            train(batch)
    return step


def test_every_network_and_every_optimizer_is_in_a_kind():
    assert {kind.model for kind in TRIED} == {*models.MODELS}
    assert {name for k in TRIED for name in (k.optimizer, k.real_optimizer)} >= {*registry.NAMES}


@PLACE
@pytest.mark.parametrize("config", TRIED, ids=named)
def test_every_kind_steps_on_the_device_alone_and_never_waits_for_it(config, place):
    for side in SIDES.get(config.model, (8,)):
        model = built(config, side)
        with place() as device:
            take_steps(config, [model.to(device)], images_on(device, side))


@PLACE
@pytest.mark.parametrize("config", fewest(TRIED, lambda kind: {kind.model, kind.view}), ids=named)
def test_what_is_measured_after_an_epoch_waits_for_a_result_alone(config, place):
    side = SIDES.get(config.model, (8,))[0]
    model = built(config, side)
    with place() as device:
        there = images_on(device, side)
        step = take_steps(config, [model.to(device)], there)
        with _OneDevice(), _Answers() as answers:
            evaluate(model, there, there.test)
        assert answers.waits == 1
        with _Answers() as answers:
            step.finite()
        assert answers.waits == 1


@PLACE
@pytest.mark.parametrize("config", STACKS, ids=named)
def test_a_stack_steps_on_the_device_alone_and_never_waits_for_it(config, place):
    networks = [built(replace(config, seed=seed), 8) for seed in range(2)]
    with place() as device:
        networks = [network.to(device) for network in networks]
        take_steps(config, networks, images_on(device, 8), stack=True)


def _read_in_a_step(monkeypatch):
    call = Step.__call__
    monkeypatch.setattr(Step, "__call__", lambda step, *batch: call(step, *batch).sum().item())


def _ask_in_an_optimizer(monkeypatch):
    def asking(optimizer, group, weights, gradients):
        if (gradients[0] == 0).all():
            return
        update(optimizer, group, weights, gradients)

    update = LatentSGD._update
    monkeypatch.setattr(LatentSGD, "_update", asking)


def _keep_a_state_on_the_cpu(monkeypatch):
    def keeping(optimizer, group, weights, gradients):
        torch._foreach_add_(weights, [torch.zeros(w.shape) for w in weights])

    monkeypatch.setattr(LatentSGD, "_update", keeping)


def _multiply_on_the_cpu(monkeypatch):
    def forward(layer, input):
        return nn.functional.linear(input, torch.ones(layer.weight.shape))

    monkeypatch.setattr(BinaryLinear, "forward", forward)


def _fetch_numbers(monkeypatch):
    def forward(layer, input):
        return binarize.clip(input * torch.ones(4).to(input.device))

    monkeypatch.setattr(BinaryActivation, "forward", forward)


def _go_back_on_the_cpu(monkeypatch):
    def backward(ctx, grad):
        return grad * torch.ones(grad.shape)

    monkeypatch.setattr(binarize._Clip, "backward", staticmethod(backward))


def _read_on_cuda(monkeypatch):
    def reading(optimizer, group, weights, gradients):
        if weights[0].is_cuda:
            gradients[0].sum().item()

    monkeypatch.setattr(LatentSGD, "_update", reading)


BOTH = (on_meta, on_fake_cuda)
PLANTED = {
    _read_in_a_step: BOTH,
    _ask_in_an_optimizer: BOTH,
    _keep_a_state_on_the_cpu: BOTH,
    _multiply_on_the_cpu: BOTH,
    _fetch_numbers: BOTH,
    _go_back_on_the_cpu: BOTH if torch.cuda.is_available() else (on_meta,),
    _read_on_cuda: (on_fake_cuda,),
}
"""Faults, and where they are seen."""


@PLACE
@pytest.mark.parametrize("plant", PLANTED)
@pytest.mark.parametrize("stack", [False, True])
def test_a_fault_that_is_planted_is_seen(plant, place, stack, monkeypatch):
    config = kind_of(RunConfig(activation="sign", optimizer="latent_sgd"))
    plant(monkeypatch)
    networks = [built(config, 8) for _ in range(2)]
    seen = pytest.raises(_Fault) if place in PLANTED[plant] else contextlib.nullcontext()
    with place() as device:
        networks = [network.to(device) for network in networks]
        with seen:
            take_steps(config, networks, images_on(device, 8), stack)
