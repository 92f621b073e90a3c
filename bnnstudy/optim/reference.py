"""Each optimizer once more, slow, in the papers' own symbols: the twins that tests and chapters use.

A twin takes one gradient a call and returns theta, the binary weights. Nothing is in place, nothing
is fused, and nothing is shared with the optimizers but `sign`.

Symbols: epsilon learning rate, lambda_ weight decay, w latent weight, m momentum, g filtered
gradient, theta binary weight.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from bnnstudy.nn.binarize import sign


class LatentSGDTwin:
    """Eq 1-5 of paper B. `epsilon` may be given anew at each step (a schedule)."""

    def __init__(self, w0: Tensor, epsilon: float, gamma: float, lambda_: float):
        self.w = w0.clone()
        self.m = torch.zeros_like(w0)
        self.epsilon, self.gamma, self.lambda_ = epsilon, gamma, lambda_

    def step(self, gradient: Tensor, epsilon: float | None = None) -> Tensor:
        epsilon = self.epsilon if epsilon is None else epsilon
        self.m = (1 - self.gamma) * self.m + self.gamma * gradient  # Eq 2
        self.w = self.w - epsilon * (self.m + self.lambda_ * self.w)  # Eq 3
        return sign(self.w)  # Eq 4


class FilterTwin:
    """Eq 11-13 of paper B: the cascade. Where g is 0 the weight stays."""

    def __init__(self, theta0: Tensor, alpha: float, gamma: float, g0: Tensor | None = None):
        self.theta = theta0.clone()
        self.m = torch.zeros_like(theta0)
        self.g = torch.zeros_like(theta0) if g0 is None else g0.clone()
        self.alpha, self.gamma = alpha, gamma

    def step(self, gradient: Tensor, alpha: float | None = None) -> Tensor:
        alpha = self.alpha if alpha is None else alpha
        self.m = (1 - self.gamma) * self.m + self.gamma * gradient  # Eq 11
        self.g = (1 - alpha) * self.g + alpha * self.m  # Eq 12
        self.theta = torch.where(self.g == 0, self.theta, -sign(self.g))  # Eq 13
        return self.theta


class DirectFormTwin:
    """Eq 17 of paper B: the same filter written with its last two outputs.

    Moving rates may be given at each step; then this is *not* the cascade any more.
    """

    def __init__(self, theta0: Tensor, alpha: float, gamma: float):
        self.theta = theta0.clone()
        self.g1 = torch.zeros_like(theta0)  # g_{i-1}
        self.g2 = torch.zeros_like(theta0)  # g_{i-2}
        self.alpha, self.gamma = alpha, gamma

    def step(self, gradient: Tensor, alpha: float | None = None) -> Tensor:
        alpha = self.alpha if alpha is None else alpha
        gamma = self.gamma
        g = (
            alpha * gamma * gradient
            - (alpha + gamma - 2) * self.g1
            - (alpha - 1) * (gamma - 1) * self.g2
        )
        self.g1, self.g2 = g, self.g1
        self.theta = torch.where(g == 0, self.theta, -sign(g))
        return self.theta


class LinearFilterTwin:
    """Eq 14 of paper B, read off as it stands: all earlier inputs and outputs are kept."""

    def __init__(self, theta0: Tensor, b: Iterable[float], a: Iterable[float]):
        self.theta = theta0.clone()
        self.b, self.a = list(b), list(a)
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []

    def step(self, gradient: Tensor) -> Tensor:
        self.inputs.insert(0, gradient)
        zero = torch.zeros_like(gradient)
        y = sum((b_k * x for b_k, x in zip(self.b, self.inputs, strict=False)), zero)
        y = y - sum((a_k * x for a_k, x in zip(self.a[1:], self.outputs, strict=False)), zero)
        y = y / self.a[0]
        self.outputs.insert(0, y)
        self.theta = torch.where(y == 0, self.theta, -sign(y))
        return self.theta


class SOSFilterTwin:
    """Rows (b0, b1, b2, a0, a1, a2) one after another, each as its difference equation stands."""

    def __init__(self, theta0: Tensor, sections: Iterable[Iterable[float]]):
        self.theta = theta0.clone()
        self.sections = [list(row) for row in sections]
        self.inputs = [[torch.zeros_like(theta0)] * 2 for _ in self.sections]
        self.outputs = [[torch.zeros_like(theta0)] * 2 for _ in self.sections]

    def step(self, gradient: Tensor) -> Tensor:
        y = gradient
        for k, (b0, b1, b2, a0, a1, a2) in enumerate(self.sections):
            (x1, x2), (y1, y2), x = self.inputs[k], self.outputs[k], y
            y = (b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2) / a0
            self.inputs[k], self.outputs[k] = [x, x1], [y, y1]
        self.theta = torch.where(y == 0, self.theta, -sign(y))
        return self.theta


class FIRFilterTwin:
    """Eq 14 of paper B without outputs: all earlier inputs are kept."""

    def __init__(self, theta0: Tensor, taps: Iterable[float]):
        self.theta = theta0.clone()
        self.taps = list(taps)
        self.inputs: list[Tensor] = []

    def step(self, gradient: Tensor) -> Tensor:
        self.inputs.insert(0, gradient)
        zero = torch.zeros_like(gradient)
        y = sum((h * x for h, x in zip(self.taps, self.inputs, strict=False)), zero)
        self.theta = torch.where(y == 0, self.theta, -sign(y))
        return self.theta


class BopTwin:
    """Algorithm 2 of Helwegen et al. 2019, weight by weight: flip where |m| > tau and signs agree."""

    def __init__(self, theta0: Tensor, tau: float, gamma: float):
        self.theta = theta0.clone()
        self.m = torch.zeros_like(theta0)
        self.tau, self.gamma = tau, gamma

    def step(self, gradient: Tensor, gamma: float | None = None) -> Tensor:
        gamma = self.gamma if gamma is None else gamma
        self.m = (1 - gamma) * self.m + gamma * gradient
        loud, agree = self.m.abs() > self.tau, torch.sign(self.m) == torch.sign(self.theta)
        self.theta = torch.where(loud & agree, -self.theta, self.theta)
        return self.theta


class SecondOrderBopTwin:
    """Suarez-Ramirez et al. 2021, without correction: the threshold is in units of sqrt(v)."""

    def __init__(self, theta0: Tensor, tau: float, gamma: float, sigma: float):
        self.theta = theta0.clone()
        self.m, self.v = torch.zeros_like(theta0), torch.zeros_like(theta0)
        self.tau, self.gamma, self.sigma = tau, gamma, sigma

    def step(self, gradient: Tensor, gamma: float | None = None) -> Tensor:
        gamma = self.gamma if gamma is None else gamma
        self.m = (1 - gamma) * self.m + gamma * gradient
        self.v = (1 - self.sigma) * self.v + self.sigma * gradient**2
        self.loudness = self.m.abs() / (self.v.sqrt() + 1e-10)
        agree = torch.sign(self.m) == torch.sign(self.theta)
        self.theta = torch.where((self.loudness > self.tau) & agree, -self.theta, self.theta)
        return self.theta


class NormalisedFilterTwin:
    """AdamW (Loshchilov and Hutter 2019, Algorithm 2) as a filter. Where g is 0 the weight stays."""

    def __init__(self, theta0: Tensor, alpha: float, gamma: float, sigma: float):
        self.theta = theta0.clone()
        self.m, self.v, self.g = (torch.zeros_like(theta0) for _ in range(3))
        self.alpha, self.gamma, self.sigma, self.t = alpha, gamma, sigma, 0

    def step(self, gradient: Tensor, alpha: float | None = None) -> Tensor:
        alpha = self.alpha if alpha is None else alpha
        beta1, beta2, self.t = 1 - self.gamma, 1 - self.sigma, self.t + 1
        self.m = beta1 * self.m + (1 - beta1) * gradient
        self.v = beta2 * self.v + (1 - beta2) * gradient**2
        m_hat, v_hat = self.m / (1 - beta1**self.t), self.v / (1 - beta2**self.t)
        self.g = (1 - alpha) * self.g + alpha * m_hat / (v_hat.sqrt() + 1e-8)
        self.theta = torch.where(self.g == 0, self.theta, -sign(self.g))
        return self.theta


class OvSWTwin:
    """Xiang et al. 2024 as their code has it, channel by channel, with the steps of `LatentSGDTwin`.

    `delta` is the least relative gradient, `dampen` the decay of silent weights, `tracker` the running
    average of flips that `m` and `threshold` belong to. The signs are compared before a step with those
    before the last one, as there.
    """

    def __init__(
        self,
        w0: Tensor,
        epsilon: float,
        gamma: float,
        lambda_: float,
        *,
        delta: float,
        dampen: float,
        m: float,
        threshold: float,
    ):
        self.sgd = LatentSGDTwin(w0, epsilon, gamma, lambda_)
        self.tracker = torch.zeros_like(w0)
        self.previous = sign(w0)
        self.delta, self.dampen, self.m, self.threshold = delta, dampen, m, threshold

    def step(self, gradient: Tensor) -> Tensor:
        if gradient.dim() < 2:  # the source changes convolutions alone
            return self.sgd.step(gradient)
        channels = []
        for w, g in zip(self.sgd.w, gradient, strict=True):
            size, least = max(float(g.norm()), 1e-6), max(float(w.norm()), 1e-3)
            channels.append(g * self.delta * least / size if size / least < self.delta else g)
        flipped = (sign(self.sgd.w) != self.previous).to(self.tracker.dtype)
        self.previous = sign(self.sgd.w)
        self.tracker = self.m * self.tracker + (1 - self.m) * flipped
        silent = (self.tracker < self.threshold).to(self.tracker.dtype)
        return self.sgd.step(torch.stack(channels) + self.dampen * silent * self.sgd.w)
