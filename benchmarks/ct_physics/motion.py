"""Motion found from the scan alone, beside cross-correlation, consistency and reprojection.

    python benchmarks/ct_physics/motion.py [--seeds 0 1 2 --amplitudes 0.5 5 --noise 0.02]

Shifts are compared without their gauge, a shift of the object; images after the sub-pixel shift
that the truth likes best, for all methods alike.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr.operators.ct.motion.shifts import without_gauge
from inverse_inr.problems.ct import ct_motion
from inverse_inr.problems.ct.physics import moving

PEAK = 0.5
"""Value in 1/cm that PSNR counts from: about that of bone."""


def psnr(solution: ii.Solution) -> float:
    """PSNR in dB after the best shift of the image."""
    problem = solution.problem
    assert problem.reference is not None
    truth = ii.sample(problem.reference, problem.grid, average=4)[..., 0].double()
    spectrum = torch.fft.fft2(solution.sample()[..., 0].double())
    f0 = torch.fft.fftfreq(truth.shape[0], dtype=torch.float64)[:, None]
    f1 = torch.fft.fftfreq(truth.shape[1], dtype=torch.float64)[None]
    move = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([move], max_iter=60, line_search_fn="strong_wolfe")

    def error() -> Tensor:
        search.zero_grad()
        phase = torch.exp(-2j * torch.pi * (f0 * move[0] + f1 * move[1]))
        loss = 1e4 * (torch.fft.ifft2(spectrum * phase).real - truth).square().mean()
        loss.backward()
        return loss

    search.step(lambda: float(error().detach()))
    return float(10 * (1e4 * PEAK**2 / error().detach()).log10())


def measure(motion: moving.Motion, amplitude: float, noise_level: float, seed: int) -> None:
    """Print the errors of all methods on one scan."""
    options = {"amplitude": amplitude, "noise_level": noise_level, "seed": seed}
    problem = ct_motion(motion, **options)  # pyright: ignore[reportArgumentType]
    views = problem.notes["motion"].shape[0]
    angles = torch.arange(views, dtype=torch.float64) * torch.pi / views
    truth = without_gauge(problem.notes["motion"], angles)
    pitch = 2 * moving.HALF_SIDE / problem.grid.shape[0]

    def show(name: str, shift: Tensor, image: str) -> None:
        rms = float((shift.double() - truth).square().mean().sqrt()) / pitch
        print(f"  {name:24s} {rms:6.3f} bins rms   {image}", flush=True)

    print(f"{motion}, {amplitude:g} bins, noise {noise_level:g}, seed {seed}")
    for method in (moving.motion_ignored, moving.by_neighbours, moving.by_mass):
        found = method(problem)
        show(found.method, found.details["shift"], f"{psnr(found):6.2f} dB")
    show("reprojection", moving.shifts_by_reprojection(problem), "")
    fit = moving.motion_fit(problem)
    show(f"joint fit ({fit.seconds:.0f} s)", moving.learnt_shifts(fit), f"{psnr(fit):6.2f} dB")
    known = moving.motion_fit(ct_motion(motion, known=True, **options))  # pyright: ignore[reportArgumentType]
    print(f"  {'fit with known motion':42s}   {psnr(known):6.2f} dB", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--amplitudes", type=float, nargs="+", default=[0.5, 5.0])
    parser.add_argument("--noise", type=float, default=0.02)
    given = parser.parse_args()
    for kind in ("smooth", "jumps"):
        for reach in given.amplitudes:
            for number in given.seeds:
                measure(kind, reach, given.noise, number)
