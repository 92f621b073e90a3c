"""Public value classes and functions, given arguments of every wrong kind."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from bnnstudy import data, evidence, theory
from bnnstudy import nn as our_nn
from bnnstudy.config import tricks
from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage
from bnnstudy.data import imagenet
from bnnstudy.evidence import (
    Claim,
    Difference,
    Equivalence,
    Every,
    Exact,
    FactorialEffect,
    Reading,
    Requirement,
    Speed,
    Spread,
    Trend,
    Verdict,
    best_epoch,
)  # fmt: skip
from bnnstudy.experiments import rates
from bnnstudy.experiments.options import RunOptions
from bnnstudy.experiments.study import Arm, Named, Study, Tuned
from bnnstudy.nn import binarize, models
from bnnstudy.optim import (
    Bop,
    FilterOptimizer,
    FIRFilter,
    LatentSGD,
    LinearFilter,
    NormalisedFilter,
    OvSW,
    SecondOrderBop,
    SOSFilter,
    build,
)
from bnnstudy.report import explorables
from bnnstudy.theory import conversion, filters, memory
from fuzzing.calls import of_call
from fuzzing.engine import Target


def _configured(config: RunConfig) -> None:
    assert RunConfig.from_dict(config.to_dict()) == config
    config.key(), config.bits, config.storage, config.plan(), hash(config)


def _contrast(contrast: Any) -> None:
    contrast.declared(), contrast.named(), hash(contrast)
    if not isinstance(contrast, Exact):
        contrast.holds(-1.0, 1.0), contrast.beyond(0.5)
    if isinstance(contrast, Every | Spread):
        contrast.differences()


CONFIG = {
    "dataset": "mnist", "train_size": 100, "augmentation": "none", "model": "cnn", "width": 8,
    "depth": 2,
    "block": "conv_pool_norm_act", "pool": "max", "parts": (), "binary_weights": True,
    "activation": "sign", "real_first": True, "real_last": False, "surrogate": "ede",
    "activation_surrogate": "clip", "steepness": (0.1, 10.0), "scaling": "mean", "clamp": True,
    "init_scale": 0.5, "view": "latent", "optimizer": "momentum", "lr": 0.1, "momentum": 0.9,
    "weight_decay": 1e-4, "real_optimizer": "adam", "real_lr": 1e-3, "betas": (0.9, 0.99),
    "real_weight_decay": None, "lr_scaling": "gradient", "schedule": "cosine", "drops": (0.5, 0.75),
    "weight_schedule": "linear", "floor": 0.1, "epochs": 3, "batch_size": 10, "loss": "cross_entropy",
    "batch_norm_momentum": 0.1, "batch_norm_eps": 1e-4, "precision": "float32", "preset": "desk",
    "seed": 1,
}  # fmt: skip
STAGED = {
    "epochs": 3, "stages": (Stage(epochs=1, changes=(("clamp", True),), rate=0.5), Stage(epochs=2)),
    "optimizer": "adam", "view": "latent", "lr": 0.1,
}  # fmt: skip
FILTER = {
    "view": "filter",
    "optimizer": "filter",
    "real_optimizer": "adam",
    "alpha": 0.01,
    "gamma": 0.2,
}

ARM = Arm(name="adam", config=RunConfig())
CLAIM = Claim(id="x", paper="A", source="Table 1", text="Text.", contrast=Exact(arm="adam"))
ESTIMATE = {
    "metric": "test_accuracy",
    "unit": "points",
    "margin": 0.5,
    "paired": True,
    "spent": ("desk", 3),
}
DIRECTED = {**ESTIMATE, "direction": 1}
READ = {"scale": 100.0, "log": False}


def _evidence() -> list[Target]:
    difference = {**DIRECTED, **READ, "arm": "a", "control": "b", "control_metric": "test_loss"}
    pairs = {**DIRECTED, **READ, "arm": ("a", "b"), "control": ("c", "d")}
    trend = {**DIRECTED, **READ, "arms": (("a", 1.0), ("b", 2.0), ("c", 4.0))}
    every = {**DIRECTED, **READ, "compared": (("a", "b"), ("b", "c"))}
    speed = {**DIRECTED, "arm": "a", "control": "b", "below": 0.1, "level": "own"}
    claim = {"id": "x", "paper": "A", "source": "Table 1", "text": "Text.", "contrast": Exact(arm="a"),
             "paper_value": "1.0", "requires": ()}  # fmt: skip
    need = {"figure": "curves.saturation", "arm": "a", "says": "{:.1%} of it", "at_least": 0.1,
            "at_most": 0.5}  # fmt: skip
    said = {"holds": "Yes.", "fails": "No.", "open": "Open.", "untested": "No test."}
    verdict = {"claim": CLAIM, "verdict": "reproduced", "preset": "desk", "task": "mnist mlp", "n": 5,
               "effect": 1.0, "low": 0.5, "high": 1.5, "p": 0.01, "missing": 0, "trajectories": 3,
               "why": "", "otherwise": "", "turns": "", "runners_up": 0, "post_hoc": False,
               "scale": {"epochs": 3}}  # fmt: skip
    return [
        of_call("Exact", Exact, {"arm": "a", "metric": "pair", "unit": "signs"}, use=_contrast),
        of_call("Difference", Difference, difference, pairs, use=_contrast),
        of_call(
            "Equivalence", Equivalence, {**ESTIMATE, **READ, "arm": "a", "control": "b"}, use=_contrast
        ),
        of_call("Trend", Trend, trend, use=_contrast),
        of_call(
            "FactorialEffect",
            FactorialEffect,
            {**DIRECTED, **READ, "high": ("a", "b"), "low": ("c", "d")},
            use=_contrast,
        ),
        of_call("Every", Every, every, use=_contrast),
        of_call("Spread", Spread, {**DIRECTED, **READ, "arms": ("a", "b", "c")}, use=_contrast),
        of_call("Speed", Speed, speed, use=_contrast),
        of_call("Claim", Claim, claim),
        of_call(
            "Requirement", Requirement, need, use=lambda n: (n.holds(0.3), n.says.format(0.3), hash(n))
        ),
        of_call("Reading", Reading, said),
        of_call("Verdict", Verdict, verdict, use=lambda v: (v.line(), v.summary(), v.where())),
        of_call("best_epoch", best_epoch, {"curve": (0.1, 0.3, 0.2), "among": (1, 2)}, share=0.5),
    ]


def _planned(study: Study) -> None:
    for preset in study.arms:
        for arm in study.arms[preset]:
            study.leader(arm)
    for preset in study.arms.keys() & study.seeds.keys():
        for plan in rates.plans(study, preset):
            plan.pending()


def _study() -> list[Target]:
    tuned = {"field": "lr", "grid": (0.01, 0.1), "factor": 10.0, "max_extensions": 2}
    arm = {"name": "adam", "config": RunConfig(), "tuned": Tuned(**tuned), "follows": "",
           "callbacks": (Named("FlipsByEpoch", {"every": 2}),), "procedure": Named("hpo.searched"),
           "seeds": 3}  # fmt: skip
    claims = (CLAIM,)
    study = {"name": "toy", "title": "A toy", "claims": claims, "headlines": {"x": Reading(
        holds="Yes.", fails="No.")}, "arms": {"quick": (ARM,)}, "seeds": {"quick": 3}}  # fmt: skip
    options = {
        "data": None,
        "device": "cpu",
        "workers": 2,
        "compile": False,
        "stack": 1,
        "progress": False,
    }
    named = {"device": "cpu", "workers": 2, "results": "results", "data": "/tmp", "stack": 2}
    return [
        of_call("Stage", Stage, {"epochs": 2, "changes": (("clamp", True), ("lr", 0.1)), "rate": 1.0},
                use=lambda s: RunConfig(epochs=s.epochs + 1, stages=(Stage(epochs=1), s)).plan()
                if s.epochs < 10 and not s.changes else hash(s), names=("stage",)),
        of_call("RunConfig", RunConfig, CONFIG, STAGED, FILTER, use=_configured, share=3),
        of_call("Tuned", Tuned, tuned, use=lambda t: (hash(t), rates.plans(Study(
            name="toy", title="", claims=(), seeds={"quick": 2},
            arms={"quick": (Arm(name="a", config=RunConfig(), tuned=t),)}), "quick")[0].pending())),
        of_call("Named", Named, {"name": "FlipsByEpoch", "options": {"every": 2}}),
        of_call("Arm", Arm, arm, use=lambda a: (a.key, a.options)),
        of_call("Study", Study, study, use=_planned),
        of_call("RunOptions", RunOptions, options, use=lambda o: (o.side_by_side, o.resolved())),
        of_call("RunOptions.of", RunOptions.of, named, use=lambda o: o.side_by_side),
    ]  # fmt: skip


SIGNS = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])


def _parameter() -> nn.Parameter:
    made = nn.Parameter(SIGNS.clone())
    made.grad = torch.ones_like(made)
    return made


def _over_signs(kind: Callable[..., torch.optim.Optimizer], **numbers: Any) -> torch.optim.Optimizer:
    return kind([_parameter()], **numbers)


def _optimizers() -> list[Target]:
    use = lambda optimizer: (optimizer.step(), optimizer.state_dict())  # noqa: E731
    made = functools.partial(functools.partial, _over_signs)
    cascade = {"alpha": 0.1, "gamma": 0.5, "initial_state": None, "scheduled": "both",
               "bias_correction": True, "check_finite": True}  # fmt: skip
    started = {**cascade, "initial_state": [-0.1 * SIGNS]}
    return [
        of_call("FilterOptimizer", made(FilterOptimizer), cascade, started, use=use,
                names=("initial_state",)),
        of_call("LatentSGD", made(LatentSGD), {"lr": 0.1, "gamma": 0.5, "weight_decay": 0.01,
                                               "check_finite": True}, use=use),
        of_call("OvSW", made(OvSW), {"lr": 0.1, "gamma": 0.5, "weight_decay": 0.01, "delta": 0.04,
                                     "silent_decay": 0.01, "memory": 0.9, "threshold": 1e-3,
                                     "check_finite": True}, use=use),
        of_call("LinearFilter", made(LinearFilter), {"b": (0.1, 0.2), "a": (1.0, -0.5, 0.01),
                                                     "check_finite": False}, use=use,
                names=("order", "b and a must")),
        of_call("SOSFilter", made(SOSFilter), {"sections": ((0.1, 0.2, 0.0, 1.0, -0.5, 0.01),),
                                               "check_finite": False}, use=use, names=("sections",)),
        of_call("FIRFilter", made(FIRFilter), {"taps": (0.1, 0.2), "check_finite": True}, use=use),
        of_call("Bop", made(Bop), {"threshold": 1e-3, "gamma": 0.1, "check_finite": True}, use=use),
        of_call("SecondOrderBop", made(SecondOrderBop), {"threshold": 1e-3, "gamma": 0.1, "sigma": 0.01,
                                                         "check_finite": True}, use=use),
        of_call("NormalisedFilter", made(NormalisedFilter), {"alpha": 0.1, "gamma": 0.1, "sigma": 0.01,
                                                             "check_finite": True}, use=use),
        of_call("optim.build", lambda name, config, check_finite: build(
            name, [_parameter()], config, check_finite=check_finite),
            {"name": "filter", "config": RunConfig(), "check_finite": True}, use=use,
            names=("optimizer",)),
    ]  # fmt: skip


def _layers() -> list[Target]:
    linear = {"in_features": 4, "out_features": 3, "bias": True, "surrogate": "clip", "scaling": "mean",
              "weights": "latent"}  # fmt: skip
    conv = {"in_channels": 4, "out_channels": 2, "kernel_size": (3, 3), "stride": (1, 1), "padding": 1,
            "dilation": 1, "groups": 2, "bias": True, "padding_mode": "ones", "surrogate": "approx",
            "scaling": None, "weights": "latent"}  # fmt: skip
    on_meta = {"device": "meta"}

    def steepened(t: Any) -> None:
        our_nn.set_steepness(nn.Sequential(our_nn.BinaryActivation("ede")), t)

    def binarized(**arguments: Any) -> None:
        network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
        our_nn.binarize_layers(network, **arguments)

    names = {"skip": ("0",), "surrogate": "clip", "scaling": "mean", "weights": "latent"}
    return [
        of_call("BinaryLinear", functools.partial(our_nn.BinaryLinear, **on_meta), linear,
                use=lambda m: (repr(m), m(torch.ones(2, m.in_features, device="meta")))),
        of_call("BinaryConv2d", functools.partial(our_nn.BinaryConv2d, **on_meta), conv, use=repr),
        of_call("BinaryActivation", our_nn.BinaryActivation, {"surrogate": "clip"},
                use=lambda m: m(torch.ones(2)), share=0.3),
        of_call("RSign", functools.partial(our_nn.RSign, **on_meta), {
                "channels": 3, "surrogate": "ede"},
                share=0.3),
        of_call("RPReLU", functools.partial(our_nn.RPReLU, **on_meta), {"channels": 3, "slope": 0.25},
                share=0.3),
        of_call("set_steepness", steepened, {"t": 2.0}, share=0.3),
        of_call("binarize_layers", binarized, names, share=0.3),
        of_call("ede", functools.partial(binarize.ede, torch.ones(2)), {"t": 2.0}, share=0.3),
        of_call("surrogate", binarize.surrogate, {"name": "clip"}, names=("surrogate",), share=0.3),
    ]  # fmt: skip


POINTS = ((0.5, 80.0), (1.0, 82.0), (2.0, 81.0), (4.0, 70.0))


def _theory() -> list[Target]:
    recipe = {"lr": 0.1, "weight_decay": 1e-4, "momentum": 0.9, "steps": 1000, "name": "", "source": ""}
    numbers = {name: recipe[name] for name in ("lr", "weight_decay", "momentum", "steps")}
    rated = {name: recipe[name] for name in ("lr", "weight_decay", "momentum")}
    filtered = lambda f: (f.poles, filters.noise_gain(f), filters.time_constant(f))  # noqa: E731
    return [
        of_call("Recipe", conversion.Recipe, recipe, use=lambda r: conversion.conversion_of(r).lines()),
        of_call("convert", conversion.convert, numbers, use=lambda c: (c.lines(), c.memories)),
        of_call("Filter", filters.Filter, {"b": (0.1, 0.2), "a": (1.0, -0.5, 0.01)}, use=hash,
                names=("coefficient of",)),
        of_call("ema", filters.ema, {"alpha": 0.1}, use=filtered, share=0.5),
        of_call("cascade", lambda alpha, gamma: filters.cascade(alpha, gamma),
                {"alpha": 0.1, "gamma": 0.5}, use=filtered, names=("rate", "coefficient"), share=0.5),
        of_call("torch_sgd", filters.torch_sgd, rated, use=filtered, share=0.5),
        of_call("torch_to_cascade", filters.torch_to_cascade, rated, share=0.5),
        of_call("latent_to_filter", filters.latent_to_filter, {
                "lr": 0.1, "weight_decay": 0.1, "w0": 1.0},
                share=0.5),
        of_call("designed", theory.designed, {"family": "bessel 2", "matched": "delay", "alpha": 0.1,
                                              "gamma": 0.2}),
        of_call("transfer", evidence.transfer, {"fitted": POINTS, "tested": POINTS},
                names=("a property in", "an accuracy in")),
        of_call("factors", functools.partial(theory.factors, steps=10), {"schedule": "cosine"},
                share=0.5),
        of_call("filter_explorer", explorables.filter_explorer,
                {"gradient": (0.1, -0.2, 0.3), "alpha": 0.1, "gamma": 0.5},
                use=lambda e: e._repr_html_(), share=0.25),
        of_call("surrogate_explorer", explorables.surrogate_explorer,
                {"inputs": (0.1, -0.2, 3.0), "x": 0.1, "t": 0.5},
                use=lambda e: e._repr_html_(), share=0.1),
        of_call("recipe_converter", explorables.recipe_converter,
                {"lr": 0.1, "weight_decay": 1e-4, "momentum": 0.9, "steps": 100},
                use=lambda e: e._repr_html_(), share=0.1),
        of_call("weight_life", explorables.weight_life,
                {"gradients": ((0.1,), (-0.2,)), "signs": ((1,), (-1,), (1,)), "alpha": 0.1,
                 "gamma": 0.5, "count": 2}, use=lambda e: e._repr_html_(), share=0.1),
        of_call("flips_by_layer", explorables.flips_by_layer,
                {"runs": {"a": {"layer_steps": (1, 10), "layers": {"0.weight": (0.5, 0.1)}}},
                 "sizes": {"0.weight": 64}}, use=lambda e: e._repr_html_(), share=0.1),
    ]  # fmt: skip


CASCADE = theory.cascade(0.1, 0.5)


def _numbers() -> list[Target]:
    """What gives numbers or arrays for numbers, arrays and filters."""
    rows = ((0.1, 0.2), (-0.2, 0.1), (0.3, -0.1), (-0.1, 0.3), (0.2, -0.2), (0.4, 0.1), (-0.3, 0.2))
    collapsed = {
        "alphas": (0.01, 0.03, 0.1, 0.3, 0.003, 0.01, 0.03, 0.1),
        "steps": (10, 10, 10, 10, 40, 40, 40, 40),
        "scores": (0.5, 0.9, 0.8, 0.4, 0.6, 0.9, 0.7, 0.3),
    }
    of_filter = ("time_constant", "noise_gain", "flip_rate", "require_stable")
    return [
        *(of_call(name, getattr(theory, name), {"filter": CASCADE}, share=0.3) for name in of_filter),
        of_call("settling_time", theory.settling_time, {"filter": CASCADE, "share": 0.02}, share=0.3),
        of_call("flips_from_zero", theory.flips_from_zero, {"filter": CASCADE, "steps": 10}, share=0.3),
        of_call("flip_ratio_by_step", theory.flip_ratio_by_step,
                {"alpha": 0.1, "gamma": 0.5, "factors": (1.0, 0.5, 0.0)}),
        of_call("spectral_flip_rate", theory.spectral_flip_rate,
                {"filter": CASCADE, "gradients": rows, "noise": 0.5}),
        of_call("replayed_late", theory.replayed_late, {"filter": CASCADE, "gradients": rows}),
        of_call("weights", theory.weights, {"pole": (0.5, 0.9), "increment": (0.5, 0.1)}),
        of_call("weights_of_mean", theory.weights_of_mean, {"alpha": 0.1, "steps": 10}, share=0.3),
        of_call("averaged_over", theory.averaged_over, {"v": (0.5, 0.25, 0.25)}),
        of_call("collapse_exponent", theory.collapse_exponent, {**collapsed, "degree": 2}),
        of_call("critical_gain", theory.critical_gain, {"smoothing": 0.1}, share=0.3),
        of_call("loop_poles", theory.loop_poles, {"alpha": 0.01, "smoothing": 0.1, "gain": 0.5}),
        of_call("largest_gain", theory.largest_gain, {"alpha": 0.01, "smoothing": 0.1}, share=0.3),
        of_call("rates_without_decay", theory.rates_without_decay, {"alphas": (0.1, 0.05, 0.01)}),
        of_call("paired_interval", evidence.paired_interval, {"values": (0.1, 0.2, 0.4)}),
        of_call("first_reach", evidence.first_reach, {"curve": (0.1, 0.5, 0.9), "level": 0.5}),
        of_call("step_response", filters.step_response, {"filter": CASCADE, "steps": 10}, share=0.3),
        of_call("response", filters.response, {"filter": CASCADE, "frequencies": (0.0, 0.1, 0.5)}),
        of_call("group_delay", filters.group_delay, {"filter": CASCADE, "frequencies": (0.1, 0.4)}),
        of_call("through_inner", memory.through_inner, {
                "v": (0.5, 0.25), "gamma": 0.1, "bias_correction": True}),
    ]  # fmt: skip


def _tricks() -> list[Target]:
    """Every trick."""
    given = {"config": RunConfig(), "lr": 0.1, "kind": "update", "first": 3, "rate": 0.1}
    found = []
    for name, trick in inspect.getmembers(tricks, inspect.isfunction):
        if trick.__module__ == tricks.__name__ and not name.startswith("_"):
            seed = {argument: given[argument] for argument in inspect.signature(trick).parameters}
            names = ("epochs", "real_lr", "lr_scaling")
            found.append(
                of_call(f"tricks.{name}", trick, seed, use=_configured, names=names, share=0.3)
            )
    return found


def _networks() -> list[Target]:
    small = {"model": "mlp", "activation": "sign", "surrogate": "approx", "activation_surrogate": "ede",
             "parts": (), "block": "conv_pool_norm_act", "pool": "max"}  # fmt: skip

    def network(shape: Any = (1, 8, 8), classes: Any = 10, **changes: Any) -> None:
        models.build(RunConfig(width=4, depth=2, **changes), shape, classes)

    loaded = {"name": "digits", "root": None, "train_size": 10}
    epoch = {
        "folder": "/nowhere",
        "split": "train",
        "batch_size": 2,
        "size": 8,
        "seed": 0,
        "workers": 0,
    }
    return [
        of_call("models.build", network, small, share=0.2),
        of_call("data.load", data.load, loaded, names=("dataset",), share=0.3),
        of_call(
            "imagenet.batches",
            imagenet.batches,
            epoch,
            share=0.3,
            names=("/nowhere",),
            errors=(ValueError, FileNotFoundError),
        ),
    ]


def targets() -> list[Target]:
    """All of them."""
    return [
        *_evidence(),
        *_study(),
        *_optimizers(),
        *_layers(),
        *_theory(),
        *_numbers(),
        *_tricks(),
        *_networks(),
    ]
