"""Whether gradients are finite: at once on a CPU, without a wait on a GPU."""

import math
from typing import Any

import torch
from torch import Tensor


class FiniteGradients:
    """Looks whether the gradients of each step are finite, and waits for no GPU.

    On a CPU one pass over them, their sum, says so at once; as finite values can overflow in it, they
    are looked at one by one where it is not finite. On a GPU the largest magnitude of all steps so far
    is kept there, and copied to the host while the host goes on; a later step finds it. Once it is not
    finite it stays so: none is missed. Other devices are waited for; `meta` has no values.
    """

    def __init__(self) -> None:
        self._largest: dict[torch.device, Largest] = {}

    def spoilt(self, gradients: list[Tensor]) -> list[int]:
        """Positions of the gradients that are not finite, as far as they can be told without a wait."""
        at_once = [k for k, g in enumerate(gradients) if g.device.type not in (*LATE, "meta")]
        if not at_once:
            return []
        sums = [_sum(gradients[k]) for k in at_once]
        if len({total.device for total in sums}) > 1:
            sums = [total.cpu() for total in sums]
        if torch.stack(sums).isfinite().all():
            return []
        return [k for k in at_once if not gradients[k].isfinite().all()]

    def look_later(self, gradients: list[Tensor]) -> bool:
        """Takes up what is on a GPU; whether one is known by now not to have been finite."""
        found = False
        for device in {g.device for g in gradients if g.device.type in LATE}:
            if device not in self._largest:
                self._largest[device] = Largest(device)
            found |= self._largest[device].take([g for g in gradients if g.device == device])
        return found

    def arrived(self) -> bool:
        """Waits for GPUs; whether a gradient of any step so far was not finite there."""
        return any(not math.isfinite(largest.wait()) for largest in self._largest.values())


LATE = ("cuda",)
"""Types of devices that are not waited for."""


def _sum(gradient: Tensor) -> Tensor:
    wide = gradient.dtype in (torch.float32, torch.float64)
    return gradient.sum() if wide else gradient.sum(dtype=torch.float32)


class Largest:
    """The largest magnitude of the gradients on a GPU, on its way to the host."""

    def __init__(self, device: torch.device):
        self._there = torch.zeros((), device=device)
        self._here, self._copied = self._landing()
        self._under_way = False

    def _landing(self) -> tuple[Tensor, Any]:
        return torch.zeros((), pin_memory=True), torch.cuda.Event()

    def take(self, gradients: list[Tensor]) -> bool:
        """Include these; whether what has arrived on the host is not finite."""
        norms = torch._foreach_norm(gradients, math.inf)
        new = torch.stack([norm.to(self._there.dtype) for norm in norms]).max()
        torch.maximum(self._there, new, out=self._there)  # keeps what is no number
        if self._capturing():
            return False
        if self._under_way and not self._copied.query():
            return False
        found = self._under_way and not math.isfinite(self._here.item())
        self._here.copy_(self._there, non_blocking=True)
        self._copied.record(torch.cuda.current_stream(self._there.device))
        self._under_way = True
        return found

    def _capturing(self) -> bool:
        """Whether a CUDA graph is recorded, in which nothing can be asked."""
        return torch.cuda.is_current_stream_capturing()

    def wait(self) -> float:
        """The number itself, once the device has come to it."""
        return self._there.item()
