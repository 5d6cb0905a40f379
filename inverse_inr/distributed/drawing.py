"""Torch's default generators at one moment: have they been asked since, and how to go back."""

from __future__ import annotations

import torch
from torch import Tensor


class Generators:
    """The state of the CPU's generator, and of a CUDA device's, when this is made.

    Args:
        device: The device whose generator counts as well.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.before = self._states()

    def _states(self) -> list[Tensor]:
        states = [torch.get_rng_state()]
        if self.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.device))
        return states

    def used(self) -> bool:
        """Whether something has drawn random numbers since."""
        now = self._states()
        return not all(torch.equal(a, b) for a, b in zip(self.before, now, strict=True))

    def restore(self) -> None:
        """Go back to that moment."""
        torch.set_rng_state(self.before[0])
        if len(self.before) > 1:
            torch.cuda.set_rng_state(self.before[1], self.device)
