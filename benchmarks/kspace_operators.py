"""Compare the NUFFT with finufft and torchkbnufft: times of A and of its adjoint, on one thread.

    python benchmarks/kspace_operators.py

The image has 256 x 256 pixels and the trajectory 64 spokes of 512 samples, for 1 and 8 coils.
"error" is the relative error against exact sums at 400 of the samples. torchkbnufft is left out if
it is not installed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Gridding
from inverse_inr.operators.kspace.finufft import Finufft
from inverse_inr.operators.kspace.trajectories import GOLDEN_ANGLE


def main() -> None:
    torch.set_num_threads(1)
    n, spokes, samples = 256, 64, 512
    angle = np.arange(spokes)[:, None] * GOLDEN_ANGLE
    r = ((np.arange(samples) - samples // 2) / samples)[None]
    k = np.stack([r * np.cos(angle), r * np.sin(angle)], -1).reshape(-1, 2)
    print(
        f"{n} x {n}, {spokes} spokes of {samples} samples, complex64, one thread; "
        f"ms, median and least of five turns"
    )
    for coils in (1, 8):
        x = torch.randn(
            coils, n, n, dtype=torch.complex64, generator=torch.Generator().manual_seed(0)
        )
        some = np.random.default_rng(0).choice(len(k), 400, replace=False)
        at = np.arange(n) - (n - 1) / 2
        wave = [np.exp(-2j * np.pi * np.outer(k[some, a], at)) for a in (0, 1)]
        truth = torch.from_numpy(
            np.einsum("mi,cij,mj->cm", wave[0], x.numpy(), wave[1], optimize=True)
        )
        found = engines(n, k, x)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
        for _ in range(5):  # in turns, so that other work of the machine slows all alike
            for name, (forward, backward) in found.items():
                times[name].append(
                    (best(partial(forward, x), 0.15), best(partial(backward, forward(x)), 0.15))
                )
        for name, engine in found.items():
            error = float((engine[0](x)[:, some] - truth).norm() / truth.norm())
            a, b = np.median(times[name], axis=0)
            least = np.min(times[name], axis=0)
            print(
                f"{coils} coils  {name:24s} A {a:7.2f} ({least[0]:7.2f})  "
                f"Aᴴ {b:7.2f} ({least[1]:7.2f})  error {error:.1e}",
                flush=True,
            )


def engines(n: int, k: np.ndarray, x: Tensor) -> dict[str, tuple[Callable, Callable]]:
    """A and its adjoint for each library.

    Args:
        n: Pixels per axis.
        k: (samples, 2) in cycles per pixel.
        x: (coils, n, n), an image of the kind that A takes.
    """

    def differentiable(module: torch.nn.Module) -> tuple[Callable, Callable]:
        seed = torch.zeros_like(x, requires_grad=True)
        made = module(seed)
        return module, lambda y: torch.autograd.grad(made, seed, y, retain_graph=True)[0]

    found = {
        "Gridding (ours)": differentiable(Gridding((n, n), k, oversampling=1.375, width=7)),
        "finufft, cached plans": differentiable(Finufft((n, n), k)),
    }
    try:
        import torchkbnufft  # pyright: ignore[reportMissingImports]

        omega = torch.from_numpy(2 * math.pi * k.T).float()
        forward = torchkbnufft.KbNufft((n, n))
        backward = torchkbnufft.KbNufftAdjoint((n, n))
        # its origin is pixel n / 2, ours is the middle of the image
        half = torch.exp(-0.5j * omega.sum(0))
        found["torchkbnufft"] = (
            lambda v: forward(v[None], omega)[0] * half,
            lambda y: backward((y * half.conj())[None], omega)[0],
        )
    except ImportError:
        print("torchkbnufft is not installed")
    return found


def best(call: Callable[[], object], seconds: float = 0.5) -> float:
    """Shortest wall time in ms of at least five calls that last `seconds` together."""
    times = []
    while len(times) < 5 or sum(times) < seconds:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return 1e3 * min(times)


if __name__ == "__main__":
    main()
