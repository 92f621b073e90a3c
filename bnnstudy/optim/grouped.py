"""What our optimizers share: the walk over parameter groups, so that each one is only its update."""

import torch
from torch import Tensor
from torch.optim import Optimizer


class GroupedOptimizer(Optimizer):
    """An optimizer that updates the parameters of a group together; subclasses write `_update`."""

    @torch.no_grad()
    def step(self, closure=None):
        """One update of all parameters that have a gradient; returns the closure's loss, if any."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if weights:
                self._update(group, weights, [w.grad for w in weights])
        return loss

    def _update(self, group: dict, weights: list[Tensor], gradients: list[Tensor]) -> None:
        raise NotImplementedError
