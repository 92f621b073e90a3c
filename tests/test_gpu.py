"""On a GPU: the same training, no wait for the host in a step, and runs that are cut and gone on with.

Where there is none these tests are skipped.
"""

from dataclasses import replace

import pytest
import torch
from torch._dynamo.utils import counters

from bnnstudy import data, devices
from bnnstudy.config.run import RunConfig
from bnnstudy.experiments import sweep
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm, Study
from bnnstudy.nn import models
from bnnstudy.training import loop, stacked
from bnnstudy.training.checkpoints import Checkpoint
from bnnstudy.training.step import Step

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"),
    # Other versions than the pinned ones warn of other things.
    pytest.mark.filterwarnings("default"),
]

ENDS = {"real_first": True, "real_last": True}
FILTER = {"view": "filter", "optimizer": "filter", "real_optimizer": "momentum", "schedule": "cosine"}
CONFIGS = {
    "mlp, adam": RunConfig(width=16, depth=2, epochs=3, activation="sign", clamp=True),
    "birealnet20, filter": RunConfig(
        model="birealnet20", width=4, epochs=3, activation="sign", augmentation="crop_flip",
        **ENDS, **FILTER,
    ),
}  # fmt: skip
CASES = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


@pytest.fixture(scope="module")
def there():
    return data.load("digits", device="cuda")


@CASES
def test_training_there_is_training_here_in_64_bits(config, digits, there):
    config = replace(config, precision="float64")
    here, far = loop.fit(config, digits), loop.fit(config, there, device="cuda")
    assert far["curves"]["train_loss"] == pytest.approx(here["curves"]["train_loss"], rel=1e-6)


@CASES
@pytest.mark.skipif(devices.compiler_error("cuda") != "", reason="torch cannot compile here")
def test_replayed_graphs_train_as_the_eager_step_does_in_64_bits(config, there):
    config = replace(config, precision="float64")
    eager = loop.fit(config, there, device="cuda")["curves"]["train_loss"]
    counters.clear()
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with devices.compiling(), torch.profiler.profile(activities=kinds) as profile:
        replayed = loop.fit(config, there, device="cuda")["curves"]["train_loss"]
    assert replayed == pytest.approx(eager, rel=1e-6)
    assert counters["inductor"]["cudagraph_skips"] == 0
    assert any("GraphLaunch" in event.key for event in profile.key_averages())


@CASES
@pytest.mark.skipif(devices.compiler_error("cuda") != "", reason="torch cannot compile here")
def test_a_longer_run_compiles_no_more(config, there):
    compiled = []
    for epochs in (2, 4):
        counters.clear()
        with devices.compiling():
            loop.fit(replace(config, epochs=epochs), there, device="cuda")
            compiled.append(counters["stats"]["unique_graphs"])
    assert compiled[0] == compiled[1] > 0


@CASES
def test_a_stack_there_is_the_networks_one_by_one(config, there):
    config = replace(config, precision="float64")
    found = stacked.fit_stacked(config, (0, 1, 2), there, device="cuda")
    for seed, one in enumerate(found):
        alone = loop.fit(replace(config, seed=seed), there, device="cuda")
        losses = (one["curves"]["train_loss"], alone["curves"]["train_loss"])
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@CASES
def test_a_stack_in_32_bits_trains(config, there):
    """cuDNN orders memory otherwise than in 64 bits."""
    for one in stacked.fit_stacked(replace(config, epochs=1), (0, 1), there, device="cuda"):
        assert not one["diverged"]
        assert one["curves"]["train_loss"][0] > 0


@CASES
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_step_never_waits_for_the_host(config, precision, compiled, there):
    if compiled and (why := devices.compiler_error("cuda")):
        pytest.skip(why)
    config = replace(config, precision=precision)
    model = models.build(config, there.shape, there.classes).to("cuda").train()
    batches = torch.arange(500, device="cuda").view(10, 50)
    images, labels = there.train.images, there.train.labels
    order = torch.Generator().manual_seed(0)
    augment = data.augmentation(config.augmentation, len(labels), order, "cuda")
    with devices.compiling(compiled):
        step = Step(config, model, 10, [])

        def train(batch):
            step(there.inputs(augment(images[batch], batch)), labels[batch])

        for batch in batches[:4]:  # The first steps make states and graphs, and check them.
            train(batch)
        try:
            torch.cuda.set_sync_debug_mode("error")
            for batch in batches[4:]:
                train(batch)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@CASES
def test_a_run_that_was_cut_goes_on_there(config, there, tmp_path, monkeypatch):
    """In 64 bits to 1e-6: kernels that add in any order are the only difference."""
    monkeypatch.setattr("bnnstudy.training.checkpoints.EVERY", -1.0)
    config = replace(config, precision="float64")
    whole = loop.fit(config, there, device="cuda")
    saves = []

    class Cut(Checkpoint):
        def save(self, state):
            super().save(state)
            saves.append(1)
            if len(saves) == 2:
                raise KeyboardInterrupt

    file = tmp_path / "run.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        loop.fit(config, there, device="cuda", checkpoint=Cut(file))
    resumed = loop.fit(config, there, device="cuda", checkpoint=Checkpoint(file))
    losses = (resumed["curves"]["train_loss"], whole["curves"]["train_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert len(losses[0]) == config.epochs


def test_a_sweep_runs_side_by_side_there(tmp_path):
    config = replace(CONFIGS["mlp, adam"], epochs=1)
    arms = {"quick": (Arm(name="one", config=config),)}
    study = Study(name="toy", title="", claims=(), arms=arms, seeds={"quick": 4})
    options = RunOptions(results=tmp_path, device="cuda", workers=2, progress=False)
    found = sweep.run(study, "quick", options=options)
    assert [record["config"]["seed"] for record in found] == [0, 1, 2, 3]
    assert torch.cuda.get_device_name() in found[0]["provenance"]["device"]
