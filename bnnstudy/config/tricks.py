"""The tricks that papers use, each a named change of a configuration with its source.

A trick is a function from `RunConfig` to `RunConfig`. Nothing is hidden in one: `config.differences`
shows what it changed.
"""

from dataclasses import replace
from typing import Any

from bnnstudy.config import checks
from bnnstudy.config.run import RunConfig
from bnnstudy.config.stage import Stage


def _changed(config: RunConfig, **fields: Any) -> RunConfig:
    """A configuration with other fields, if it is one."""
    checks.instance("config", config, RunConfig)
    return replace(config, **fields)


def float_twin(config: RunConfig) -> RunConfig:
    """The same network with real weights, from the whole draw; sign activations become hard tanh.

    Paper A, Appendix A (the comparison with networks that are not binary).

    >>> float_twin(RunConfig(activation="sign")).differences()
    {'activation': 'hardtanh', 'binary_weights': False}
    """
    checks.instance("config", config, RunConfig)
    activation = "hardtanh" if config.activation == "sign" else config.activation
    return _changed(config, binary_weights=False, activation=activation, clamp=False, init_scale=1.0)


def gradient_clipping(config: RunConfig) -> RunConfig:
    """No gradient to latent weights beyond [-1, 1]: the surrogate `"clip"`. Paper A, section 3.2.

    >>> gradient_clipping(RunConfig(surrogate="identity")).surrogate
    'clip'
    """
    return _changed(config, surrogate="clip")


def weight_clipping(config: RunConfig) -> RunConfig:
    """Latent weights clamped to [-1, 1] after each step. Paper A, section 3.2.

    >>> weight_clipping(RunConfig()).differences()
    {'clamp': True}
    """
    return _changed(config, clamp=True)


def no_clipping(config: RunConfig) -> RunConfig:
    """Neither kind of clipping: the vanilla straight-through estimator. Paper A, section 3.2.

    >>> no_clipping(RunConfig(clamp=True)).differences()
    {'surrogate': 'identity'}
    """
    return _changed(config, surrogate="identity", clamp=False)


def rate_scaled_by_layer(config: RunConfig, kind: str) -> RunConfig:
    """Each binary layer's `"gradient"` or `"update"` times its inverse Glorot factor.

    Paper A, section 3.4, scales the gradient; Courbariaux et al. 2015 scale the update.

    >>> rate_scaled_by_layer(RunConfig(), "update").differences()
    {'lr_scaling': 'update'}
    """
    return _changed(config, lr_scaling=kind)


def binary_activations(config: RunConfig) -> RunConfig:
    """1W/32A becomes 1W/1A: the sign as activation. Hubara et al. 2016.

    >>> binary_activations(RunConfig()).differences()
    {'activation': 'sign'}
    """
    return _changed(config, activation="sign")


def batch_norm_on_adam(config: RunConfig, lr: float = 1e-2) -> RunConfig:
    """The real parameters on Adam, at a rate that is not tuned, whatever drives the weights.

    The control that paper A lacks: with one rate for both, plain SGD has to serve latent weights, whose
    useful rates are high, and batch norm, whose useful rates are low.

    >>> batch_norm_on_adam(RunConfig()).differences()
    {'real_lr': 0.01, 'real_optimizer': 'adam'}
    """
    return _changed(config, real_optimizer="adam", real_lr=lr)


def batch_norm_at_own_rate(config: RunConfig, lr: float = 3.0) -> RunConfig:
    """The real parameters on plain SGD, at a rate that is not tuned, whatever drives the weights.

    Beside `batch_norm_on_adam` it tells the rate from the kind of optimizer. The default is a rate at
    which the float twin trains well.

    >>> batch_norm_at_own_rate(RunConfig()).differences()
    {'real_lr': 3.0, 'real_optimizer': 'sgd'}
    """
    return _changed(config, real_optimizer="sgd", real_lr=lr)


def zero_start(config: RunConfig) -> RunConfig:
    """Latent weights of magnitude 0 with the sign that they drew. Paper B, Figure 4.

    >>> zero_start(RunConfig()).differences()
    {'init_scale': 0.0}
    """
    return _changed(config, init_scale=0.0)


def two_stages(config: RunConfig, first: int, rate: float = 0.1) -> RunConfig:
    """First `first` epochs without any clipping, then with both kinds at `rate` times the rate.

    Paper A, section 4 ("training faster"). The optimizer's state starts afresh with the second stage.

    >>> [(stage.epochs, stage.rate) for stage in two_stages(RunConfig(epochs=10), first=4).stages]
    [(4, 1.0), (6, 0.1)]
    """
    checks.instance("config", config, RunConfig)
    free = (("surrogate", "identity"), ("clamp", False))
    clipped = (("surrogate", "clip"), ("clamp", True))
    stages = (
        Stage(epochs=first, changes=free),
        Stage(epochs=config.epochs - first, changes=clipped, rate=rate),
    )
    return _changed(config, stages=stages)


def pretraining(config: RunConfig, first: int, rate: float = 1.0) -> RunConfig:
    """First `first` epochs with real weights, at `rate` times the rate, then these as latent ones.

    Paper A, section 4.

    >>> [stage.binary_weights for stage in pretraining(RunConfig(epochs=10), first=4).plan()]
    [False, True]
    """
    checks.instance("config", config, RunConfig)
    stages = (
        Stage(epochs=first, changes=(("binary_weights", False), ("clamp", False)), rate=rate),
        Stage(epochs=config.epochs - first),
    )
    return _changed(config, stages=stages)
