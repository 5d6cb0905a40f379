"""Speed and accuracy of blur on images beside direct convolution and a bare FFT product, in one run, one thread.

python benchmarks/blur_operators.py [--size 256 --taps 31]

Times are the least of many calls, taken in turns so that a busy machine slows all alike. The bare product is
irfft2(rfft2(x, s) * H, s): at the array's own size (which wraps around), and at the next fast size that a linear
convolution needs, size + taps - 1.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional

import inverse_inr as ii
from inverse_inr.operators import Blur, Convolution
from inverse_inr.operators.optics import psf

Calls = dict[str, Callable[[], object]]


def milliseconds(calls: Calls, rounds: int) -> dict[str, float]:
    """Least wall time of each call, over rounds in which every call has its turn."""
    best = dict.fromkeys(calls, math.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            call()  # the caches hold what this call needs, not what the one before it did
            began = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - began)
    return {name: 1e3 * seconds for name, seconds in best.items()}


def bare(size: int, kernel: Tensor) -> Callable[[Tensor], Tensor]:
    spectrum = torch.fft.rfft2(kernel, s=(size, size))
    return lambda x: torch.fft.irfft2(torch.fft.rfft2(x, s=(size, size)) * spectrum, s=(size, size))


def _fast(n: int) -> int:
    return int(next_fast_len(n, real=True))  # pyright: ignore[reportArgumentType]


def adjoint(forward: Callable[[Tensor], Tensor], x: Tensor, z: Tensor) -> Callable[[], Tensor]:
    """The backward pass of a recorded application."""
    start = x.clone().requires_grad_()
    y = forward(start)
    return lambda: torch.autograd.grad(y, start, z, retain_graph=True)[0]


def compare(size: int, taps: int, boundary: str) -> None:
    x = torch.rand(size, size, generator=torch.Generator().manual_seed(0))
    kernel = torch.rand(taps, taps, generator=torch.Generator().manual_seed(1))
    outputs, origin = (
        ((size - taps + 1,) * 2, (taps // 2,) * 2) if boundary == "valid" else (None, None)
    )
    blur = Convolution(
        kernel, x.shape, boundary=boundary, outputs=outputs, origin=origin, method="fft"
    )
    y = blur(x)
    z = torch.rand_like(y)
    around = (0 if boundary == "valid" else taps - 1) // 2
    padded = functional.pad(x, [around] * 4)[None, None]
    dense = kernel.flip(0, 1)[None, None]
    slow: Calls = {
        "forward": lambda: functional.conv2d(padded, dense),
        "adjoint": adjoint(lambda v: functional.conv2d(v, dense), padded, z[None, None]),
    }
    quick: Calls = {"forward": lambda: blur(x), "adjoint": adjoint(blur, x, z)}
    for name, n in (("array's size", size), ("fast linear size", _fast(size + taps - 1))):
        product = bare(n, kernel)
        quick |= {f"{name} forward": lambda f=product: f(x)}
        quick |= {f"{name} adjoint": adjoint(product, x, torch.rand(n, n))}
    times, reference = milliseconds(quick, 400), milliseconds(slow, 8)
    f, a = times["forward"], times["adjoint"]
    back = adjoint(blur, x, z)()
    dot = float((y.double() * z.double()).sum() - (x.double() * back.double()).sum()) / float(
        y.norm() * z.norm()
    )
    print(f"{boundary}: forward {f:.3f} ms, adjoint {a:.3f} ms; dot test in float32 {abs(dot):.1e}")
    print(
        f"  direct conv2d takes {reference['forward'] / f:.0f}x and {reference['adjoint'] / a:.0f}x as long"
    )
    for name in ("array's size", "fast linear size"):
        ratios = f"{times[f'{name} forward'] / f:.2f}x and {times[f'{name} adjoint'] / a:.2f}x"
        print(f"  a bare product at the {name} takes {ratios} as long")


def accuracy(size: int) -> None:
    """Blur on images against exact blur of a wave of 12 pixels, boundary-free."""
    box = ii.Box((0.0, 0.0), (1.0, 1.0))
    where, h = ii.Grid(box, (size, size)), 1 / size
    k = torch.tensor([1.0, 0.4], dtype=torch.float64) / (12 * h)

    def wave(p: Tensor) -> Tensor:
        return torch.sin(2 * math.pi * (p @ k.to(p))[..., None])

    kinds = {
        "Gaussian, 2 px": psf.Gaussian(2 * h),
        "defocus, radius 6.3 px": psf.Defocus(6.3 * h),
        "motion, 9.5 px": psf.Motion(
            torch.tensor([[-3.0, -4.0], [4.0, 2.4]], dtype=torch.float64) * h
        ),
        "pixel, 4 px": psf.Pixel(4 * h),
    }
    for name, kind in kinds.items():
        operator = Blur(kind, where)
        grid, x = operator.reach(), operator.positions()
        truth = (kind.transfer(k[None])[0] * torch.exp(2j * math.pi * (x @ k))).imag
        seen = ii.predict(
            operator.on(grid, "valid"), ii.SampledField(wave(grid.points(torch.float64)), grid)
        )
        print(
            f"{name}: relative error on the image {float((seen - truth).norm() / truth.norm()):.1e}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--taps", type=int, default=31)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for boundary in ("circular", "zero", "valid", "reflect"):
        compare(arguments.size, arguments.taps, boundary)
    accuracy(arguments.size)


if __name__ == "__main__":
    main()
