"""Random numbers as a pure function of a run's seed and a step's number."""

from __future__ import annotations

import os
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
    with torch.random.fork_rng(devices=devices), _restored(device):
        # not torch.manual_seed: for each kind of device never used it also queues a seed, with a
        # stack trace (1 ms)
        torch.default_generator.manual_seed(mix(seed, step))
        if device.type == "cuda":
            torch.cuda.manual_seed(mix(seed, step))
        if device.type == "mps":
            torch.mps.manual_seed(mix(seed, step))
        yield


@contextmanager
def _restored(device: torch.device) -> Iterator[None]:
    """Give the generator of an MPS device, which `fork_rng` does not know, back as it was."""
    if device.type != "mps":
        yield
        return
    state = torch.mps.get_rng_state()
    try:
        yield
    finally:
        torch.mps.set_rng_state(state)


WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""The environment variable without which products on CUDA add in no fixed order."""


def require_deterministic(wanted: bool, device: torch.device) -> None:
    """Refuse a deterministic run that the process cannot give.

    Args:
        wanted: Whether the run is to be deterministic.
        device: Its device.

    Raises:
        ValueError: The device is a CUDA device, and cuBLAS was not told how to work.
    """
    if wanted and device.type == "cuda" and WORKSPACE not in os.environ:
        raise ValueError(
            f"deterministic=True on {device} needs {WORKSPACE}=:4096:8 in the environment before "
            "Python starts: cuBLAS reads it when it is loaded."
        )


@contextmanager
def in_fixed_order(wanted: bool) -> Iterator[None]:
    """Let torch use deterministic algorithms only, inside the block.

    Args:
        wanted: Whether it should; without, nothing changes.
    """
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
