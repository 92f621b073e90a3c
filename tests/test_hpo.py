"""A search is one run: what it tries, what it keeps, what it refuses."""

import sys
from dataclasses import replace

import pytest

from bnnstudy.config.run import RunConfig
from bnnstudy.experiments.hpo import searched, shared
from bnnstudy.training import loop

BASE = RunConfig(
    width=8, depth=1, epochs=1, view="filter", optimizer="filter", activation="sign",
    real_optimizer="adam", loss="cross_entropy",
)  # fmt: skip
SPACE = {"alpha": (1e-4, 1e-1), "gamma": (0.01, 1.0)}


def search(digits, sampler="random", seed=0, space=SPACE, trials=7):
    config = replace(BASE, seed=seed)
    options = {"space": space, "sampler": sampler, "trials": trials}
    return searched(config, digits, device="cpu", checkpoint=None, **options)


@pytest.mark.parametrize("sampler", ["random", "gp"])
def test_a_search_is_its_trials_and_the_best_so_far(digits, sampler):
    found = search(digits, sampler)
    trials, curves = found["trials"], found["curves"]
    assert len({trial["chosen"]["alpha"] for trial in trials}) == len(trials) == 7
    for k, trial in enumerate(trials):
        assert all(SPACE[n][0] <= v <= SPACE[n][1] for n, v in trial["chosen"].items())
        own = loop.fit(replace(BASE, **trial["chosen"], seed=k), digits)["last"]
        assert {name: trial[name] for name in own} == own
        validations = [t["validation_accuracy"] for t in trials[: k + 1]]
        best = trials[validations.index(max(validations))]
        for name in ("validation_accuracy", "test_accuracy"):
            assert curves[name][k] == best[name]
    assert found["test_accuracy"] == curves["test_accuracy"][-1]
    assert trials[found["best_trial"] - 1]["validation_accuracy"] == max(validations)


def test_the_gaussian_process_chooses_after_five_random_trials(digits):
    gp, random = ([t["chosen"] for t in search(digits, name)["trials"]] for name in ("gp", "random"))
    assert gp[:5] == random[:5]
    assert gp[5] != random[5]


def test_the_seed_decides_a_search(digits):
    assert search(digits) == search(digits)
    drawn, other = (search(digits, seed=seed)["trials"] for seed in (0, 1))
    assert drawn[0]["chosen"] != other[0]["chosen"]


def test_a_choice_of_words_is_searched_too(digits):
    latent = {"scaling": ("one of", None, "mean")}
    config = replace(BASE, view="latent", optimizer="latent_sgd", lr=1.0, weight_decay=1e-2)
    found = searched(
        config, digits, device="cpu", checkpoint=None, space=latent, sampler="random", trials=6
    )
    assert {trial["chosen"]["scaling"] for trial in found["trials"]} == {None, "mean"}


def test_what_cannot_search_is_refused(digits, monkeypatch):
    with pytest.raises(ValueError, match="sampler must be one of gp, random; got 'grid'"):
        search(digits, "grid")
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match="needs the library optuna, which is not installed"):
        search(digits, "gp")


@pytest.mark.parametrize(("other", "first"), [([1, 2, 3], 3), ([1, 2, 4], 2), ([0, 2, 3], 0), ([1], 1)])
def test_searches_share_the_trials_up_to_the_first_that_differs(other, first):
    one, two = ({"trials": [{"chosen": {"lr": lr}} for lr in rates]} for rates in ([1, 2, 3], other))
    assert shared(one, two) == shared(two, one) == first
