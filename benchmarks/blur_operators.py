"""Compare blur on images with direct convolution and with a bare FFT product, on one thread.

    python benchmarks/blur_operators.py [--size 256 --taps 31]

The first part prints the speed of `Convolution` for each boundary condition. Each time is the
shortest of many calls, and the calls take turns, so that a busy machine slows all of them alike.
The bare product is irfft2(rfft2(x, s) * H, s). It is timed at the array's own size, which wraps
around, and at the next fast size that a linear convolution needs, size + taps - 1.

The second part prints the accuracy of `Blur` against the exact blur of a wave.
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
    """Shortest wall time of each call in ms; in every round each call has its turn."""
    best = dict.fromkeys(calls, math.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            call()  # the caches hold what this call needs, not what the one before it did
            began = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - began)
    return {name: 1e3 * seconds for name, seconds in best.items()}


def bare(size: int, kernel: Tensor) -> Callable[[Tensor], Tensor]:
    """A periodic convolution as one FFT product, without padding or checks."""
    spectrum = torch.fft.rfft2(kernel, s=(size, size))
    return lambda x: torch.fft.irfft2(torch.fft.rfft2(x, s=(size, size)) * spectrum, s=(size, size))


def _fast(n: int) -> int:
    """The next length of at least `n` whose real FFT is fast."""
    return int(next_fast_len(n, real=True))  # pyright: ignore[reportArgumentType]


def adjoint(forward: Callable[[Tensor], Tensor], x: Tensor, z: Tensor) -> Callable[[], Tensor]:
    """The backward pass of `forward`, which is recorded once at `x`, applied to `z`."""
    start = x.clone().requires_grad_()
    y = forward(start)
    return lambda: torch.autograd.grad(y, start, z, retain_graph=True)[0]


def compare(size: int, taps: int, boundary: str) -> None:
    """Print the times of the convolution and of its rivals, and the float32 dot-product test."""
    x = torch.rand(size, size, generator=torch.Generator().manual_seed(0))
    kernel = torch.rand(taps, taps, generator=torch.Generator().manual_seed(1))
    outputs = None
    origin = None
    around = (taps - 1) // 2
    if boundary == "valid":
        outputs = (size - taps + 1,) * 2
        origin = (taps // 2,) * 2
        around = 0
    blur = Convolution(
        kernel, x.shape, boundary=boundary, outputs=outputs, origin=origin, method="fft"
    )
    y = blur(x)
    z = torch.rand_like(y)
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
    times = milliseconds(quick, 400)
    reference = milliseconds(slow, 8)
    f, a = times["forward"], times["adjoint"]
    back = adjoint(blur, x, z)()
    difference = (y.double() * z.double()).sum() - (x.double() * back.double()).sum()
    dot = float(difference) / float(y.norm() * z.norm())
    print(f"{boundary}: forward {f:.3f} ms, adjoint {a:.3f} ms; dot test in float32 {abs(dot):.1e}")
    print(
        f"  direct conv2d takes {reference['forward'] / f:.0f}x "
        f"and {reference['adjoint'] / a:.0f}x as long"
    )
    for name in ("array's size", "fast linear size"):
        ratios = f"{times[f'{name} forward'] / f:.2f}x and {times[f'{name} adjoint'] / a:.2f}x"
        print(f"  a bare product at the {name} takes {ratios} as long")


def accuracy(size: int) -> None:
    """Print the error of blur on images against the exact blur of a wave of 12 pixels' length.

    The grid reaches beyond the frame, so that no boundary condition plays a part.
    """
    box = ii.Box((0.0, 0.0), (1.0, 1.0))
    where = ii.Grid(box, (size, size))
    h = 1 / size
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
        grid = operator.reach()
        x = operator.positions()
        truth = (kind.transfer(k[None])[0] * torch.exp(2j * math.pi * (x @ k))).imag
        sampled = ii.SampledField(wave(grid.points(torch.float64)), grid)
        seen = ii.predict(operator.on(grid, "valid"), sampled)
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
