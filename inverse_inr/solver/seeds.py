"""Random numbers as a pure function of a run's seed and a step's number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def mix(seed: int, number: int) -> int:
    """Make one 63-bit seed from two numbers (splitmix64's finalizer)."""
    z = (seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    return (z ^ (z >> 27)) % 2**63


@contextmanager
def seeded(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Make torch's default generator a function of (seed, step) inside the block.

    After the block it is the user's again, as it was before.

    Args:
        seed: The seed of the run.
        step: The number of the step.
        device: The device whose generator is set together with the CPU's.
    """
    devices = []
    if device.type == "cuda":
        devices = [device]
    with torch.random.fork_rng(devices=devices):
        # not torch.manual_seed: for each kind of device never used it also queues a seed, with a
        # stack trace (1 ms)
        torch.default_generator.manual_seed(mix(seed, step))
        if device.type == "cuda":
            torch.cuda.manual_seed(mix(seed, step))
        yield
