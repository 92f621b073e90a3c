"""Where a run is computed and how: compiled or not, in bfloat16 or not, it is the same training."""

import os
import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from bnnstudy import devices
from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence import provenance
from bnnstudy.evidence.provenance import Code
from bnnstudy.experiments import sweep
from bnnstudy.experiments.cluster import Work
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm, Study, named
from bnnstudy.experiments.tasks import Job
from bnnstudy.nn import models
from bnnstudy.nn.binarize import sign
from bnnstudy.nn.models import residual
from bnnstudy.optim import FilterOptimizer
from bnnstudy.training import loop
from bnnstudy.training.checkpoints import Checkpoint
from bnnstudy.training.step import Step

SMALL = RunConfig(width=16, depth=2, epochs=2, lr=1e-2, activation="sign")
FILTER = replace(
    SMALL,
    view="filter",
    optimizer="filter",
    lr=1e-3,
    alpha=1e-2,
    real_optimizer="adam",
    schedule="cosine",
)
CONFIGS = {
    # A draw in which no sum of signs is its mean over a batch: the sign of what is 0 but for rounding
    # would be another one where it is compiled.
    "mlp, latent, clamped": replace(SMALL, clamp=True, activation_surrogate="approx", seed=1),
    # A real first layer: a pixel that is the same in all images has a gradient of rounding alone, as
    # batch norm takes its part away, and from zero a filter would make that the sign of its weight.
    "mlp, filter": replace(FILTER, real_first=True),
    # One block a stage, as each block is compiled by itself: with six it takes minutes.
    "birealnet20, filter": replace(
        FILTER, model="birealnet20", width=2, real_first=True, real_last=True, train_size=200, epochs=1
    ),
}
needs_compiler = pytest.mark.skipif(
    devices.compiler_error("cpu") != "", reason="torch cannot compile here"
)


@needs_compiler
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_compiled_and_eager_training_are_one_in_64_bits(config, digits, monkeypatch):
    monkeypatch.setattr(residual, "BLOCKS", 1)
    config = replace(config, precision="float64")
    images, labels = digits.train.images[:200], digits.train.labels[:200]
    dataset = replace(digits, train=replace(digits.train, images=images, labels=labels))
    eager = loop.fit(config, dataset)
    with devices.compiling():
        compiled = loop.fit(config, dataset)
    assert compiled["curves"]["train_loss"] == pytest.approx(eager["curves"]["train_loss"], rel=1e-9)
    assert compiled["last"] == eager["last"]
    assert compiled["flip_ratio"] == eager["flip_ratio"]


@needs_compiler
def test_compiled_and_eager_training_of_a_real_network_agree_to_rounding(digits):
    config = replace(tricks.float_twin(SMALL), epochs=3)
    eager = loop.fit(config, digits)["curves"]["train_loss"]
    with devices.compiling():
        compiled = loop.fit(config, digits)["curves"]["train_loss"]
    assert compiled == pytest.approx(eager, rel=1e-3)


@needs_compiler
def test_what_is_compiled_is_said_in_the_record(tmp_path):
    arms = {"quick": (Arm(name="one", config=replace(SMALL, epochs=1)),)}
    study = Study(name="toy", title="", claims=(), arms=arms, seeds={"quick": 1})
    for compile in (False, True):
        options = RunOptions(results=tmp_path / str(compile), compile=compile, progress=False)
        (record,) = sweep.run(study, "quick", options=options)
        assert record["provenance"].get("compiled", False) == compile
    assert not devices.is_compiling()


@needs_compiler
def test_the_filters_compiled_step_is_its_eager_one_under_a_schedule():
    random = torch.Generator().manual_seed(0)

    def drawn():
        return torch.randn(7, 5, generator=random, dtype=torch.float64)

    start = [sign(drawn()) for _ in range(3)]
    pairs = []
    for wanted in (False, True):
        weights = [nn.Parameter(w.clone()) for w in start]
        with devices.compiling(wanted):
            optimizer = FilterOptimizer(weights, 0.3, 0.2, bias_correction=True)
        pairs.append(
            (weights, optimizer, LambdaLR(optimizer, lambda step: min(step / 5, 1 - step / 20)))
        )
    for _ in range(20):
        gradients = [drawn() for _ in start]
        for weights, optimizer, scheduler in pairs:
            for w, gradient in zip(weights, gradients, strict=True):
                w.grad = gradient
            optimizer.step()
            scheduler.step()
        for eager, compiled in zip(pairs[0][0], pairs[1][0], strict=True):
            assert torch.equal(eager, compiled)
            states = (pairs[0][1].filtered(eager), pairs[1][1].filtered(compiled))
            torch.testing.assert_close(*states, rtol=1e-12, atol=1e-14)
    assert not all(torch.equal(w, s) for w, s in zip(pairs[1][0], start, strict=True))


def test_compiling_ends_with_its_block_and_is_off_by_default():
    def function(x):
        return x

    assert devices.compiled(function) is function
    with devices.compiling(False):
        assert devices.compiled(function) is function


def test_without_a_compiler_it_is_refused_before_a_run(monkeypatch):
    monkeypatch.setattr(devices, "compiler_error", lambda device: "NoCompiler: none")
    for start in (lambda: RunOptions.of(compile=True), devices.compiling().__enter__):
        message = r"compile must be False here: .*C\+\+ compiler .*\(NoCompiler: none\)"
        with pytest.raises(ValueError, match=message):
            start()


@pytest.mark.parametrize("executor", ["slurm", "local"])
def test_what_a_task_needs_is_looked_for_where_it_runs_and_names_at_once(executor, monkeypatch):
    """A login node has no GPU, and may have no compiler."""
    monkeypatch.setattr(devices, "compiler_error", lambda device: "NoCompiler: none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    options = RunOptions.of(device="cuda", compile=True, executor=executor)
    assert (options.device, options.compile) == ("cuda", True)
    assert RunOptions.of(executor=executor).device == "auto"
    with pytest.raises(ValueError, match="device must be one of auto, cpu, cuda; got 'gpu'"):
        RunOptions.of(device="gpu", executor=executor)


@pytest.mark.parametrize(
    ("device", "message"),
    [("cuda", "device must be auto or cpu here: torch finds no GPU"), ("cpu", "compile must be False")],
)
def test_a_task_says_in_one_line_what_is_not_there(device, message, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "compiler_error", lambda device: "NoCompiler: none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    arm = Arm(name="one", config=replace(FILTER, epochs=1))
    monkeypatch.delenv("TORCHINDUCTOR_COMPILE_THREADS", raising=False)
    options = RunOptions.of(device=device, compile=True, executor="slurm", workers=4, results=tmp_path)
    work = Work([(0, Job("toy", arm, arm.config))], options, Code.started())
    how, why = work()
    assert how == "failed"
    assert message in why
    # All cores that SLURM gave to the task are its own, however many tasks run elsewhere.
    assert "TORCHINDUCTOR_COMPILE_THREADS" not in os.environ


def test_a_compiler_is_looked_for_on_the_device_of_the_run(tmp_path, monkeypatch):
    """A machine may compile for its processor alone, and have a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "compiler_error", lambda device: "no triton" * (device == "cuda"))
    with devices.compiling(True, "cpu"):
        assert devices.is_compiling()
    with pytest.raises(ValueError, match="no triton"), devices.compiling():
        pass


def test_a_warning_is_no_lack_of_a_compiler(monkeypatch):
    def compile(function):
        warnings.warn("torch compiles otherwise from now on", DeprecationWarning, stacklevel=1)
        return function

    monkeypatch.setattr(torch, "compile", compile)
    assert devices.compiler_error.__wrapped__("cpu") == ""


@needs_compiler
def test_what_is_compiled_is_compiled_once_a_run(digits, monkeypatch):
    """A GPU's graphs are dropped with the network that they are of, not after an epoch."""
    dropped = []
    monkeypatch.setattr(devices, "device_of", lambda name: "cuda" if name == "auto" else name)
    monkeypatch.setattr(devices, "compiler_error", lambda device: "")
    monkeypatch.setattr(torch.compiler, "reset", lambda: dropped.append(1))
    with devices.compiling() as made:
        loop.fit(replace(FILTER, epochs=3), digits)
        assert not dropped
    assert dropped == [1]
    assert made


@needs_compiler
def test_what_must_be_reproducible_is_not_compiled(tmp_path):
    config = replace(FILTER, epochs=1)
    twice = named("paired.sign_by_sign", changes={})
    arms = {"quick": (Arm(name="one", config=config, procedure=twice),)}
    study = Study(name="toy", title="", claims=(), arms=arms, seeds={"quick": 1})
    options = RunOptions(results=tmp_path, compile=True, progress=False)
    (record,) = sweep.run(study, "quick", options=options)
    assert "compiled" not in record["provenance"]
    assert record["result"]["pair"]["differing"] == 0


def test_bfloat16_is_for_the_passes_alone(digits):
    """Parameters and optimizer states stay float32; so does what batch norm gathers."""
    config = replace(FILTER, precision="bfloat16")
    model = models.build(config, digits.shape, digits.classes)
    dtypes = set()
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    for layer in linear:
        layer.register_forward_hook(lambda layer, inputs, output: dtypes.add(output.dtype))
    step = Step(config, model, 5, [])
    loss = step(digits.inputs(digits.train.images[:50]), digits.train.labels[:50])
    assert dtypes == {torch.bfloat16}
    kept = [*model.parameters(), *model.buffers(), *(p.grad for p in model.parameters())]
    for optimizer in step.optimizers:
        kept += [value for state in optimizer.state.values() for value in state.values()]
    assert {value.dtype for value in kept if value.is_floating_point()} == {torch.float32}
    assert loss.dtype == torch.float32


def test_bfloat16_trains_alike_but_not_the_same(digits):
    config = tricks.float_twin(replace(SMALL, epochs=5))
    exact, rounded = (
        loop.fit(replace(config, precision=precision), digits) for precision in ("float32", "bfloat16")
    )
    assert exact["curves"]["train_loss"] != rounded["curves"]["train_loss"]
    assert rounded["curves"]["train_loss"] == pytest.approx(exact["curves"]["train_loss"], rel=0.05)


@needs_compiler
def test_a_checkpoint_of_an_eager_run_is_not_gone_on_with_compiled(tmp_path, digits, monkeypatch):
    monkeypatch.setattr("bnnstudy.training.checkpoints.EVERY", -1.0)
    file = tmp_path / "run.checkpoint"
    loop.fit(SMALL, digits, checkpoint=Checkpoint(file))
    with devices.compiling(), pytest.warns(UserWarning, match="of another run, code or torch"):
        loop.fit(SMALL, digits, checkpoint=Checkpoint(file))


def test_provenance_says_compiled_only_where_it_was():
    about = {"device": "cpu", "seconds": 1.0, "precision": "float32", "data": ""}
    assert "compiled" not in provenance.collect(**about)
    assert provenance.collect(**about, compiled=True)["compiled"] is True
