"""Snapshot spectral imaging: the separable prior beside GAP-TV, and what one projection costs.

    python benchmarks/cassi.py [--scene kodim23.png jasper_ridge_r198.mat] [--size 128] [--noise 0.01] [--seeds 1]
    python benchmarks/cassi.py --speed
    python benchmarks/cassi.py --real

28 bands two pixels apart behind the mask of TSA-Net (data folder, see INVERSE_INR_DATA), one thread. GAP-TV's strength
and iteration are chosen by the truth ("oracle"); the prior's settings are those of problems/cassi.py, its state that of
the least held-out misfit. PSNR over the cube, its own span as range. --real: the measured scene, mean squared
standardised residual of the 5 % of detector pixels that no method saw.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

import inverse_inr as ii
from inverse_inr.operators import CassiOnGrid
from inverse_inr.operators.shear import shear_sum
from inverse_inr.problems.cassi import cassi, cassi_real
from inverse_inr.problems.gap_tv import gap_tv

DATA = Path(os.environ.get("INVERSE_INR_DATA", Path(__file__).parents[2] / "shared" / "data"))


def scenes(names: list[str], size: int, noise: float, seeds: int) -> None:
    for name in names:
        for seed in range(seeds):
            cube = {"variable": "Y"} if name.endswith(".mat") else {"reflectances": "colorchecker"}
            problem = cassi(str(DATA / name), size=size, noise_level=noise, mask=str(DATA / "tsa_sim_mask_256.mat"),
                            seed=seed, **cube)  # pyright: ignore[reportArgumentType]  # fmt: skip
            for solve in (
                lambda p: ii.solve(p, callbacks=[]),
                lambda p: gap_tv(p, "oracle", iterations=150),
            ):
                began = time.process_time()
                solution = solve(problem)
                print(f"{name} {problem.grid.shape} seed {seed}  {solution.method:16s} "
                      f"PSNR {solution.metrics()['PSNR']:6.2f}  held-out {solution.held_out()}  "
                      f"{solution.stopped}  {time.process_time() - began:.0f} s", flush=True)  # fmt: skip


def speed() -> None:
    """Forward and adjoint at 256 x 256 x 28 beside a bare loop of slice-and-add."""
    problem = cassi(size=256)
    camera = problem.terms[0].operator
    assert isinstance(camera, CassiOnGrid)
    cube = torch.rand(camera.grid.shape)
    bands = cube.movedim(-1, 0).contiguous()
    mask = camera.camera.mask
    starts = [2 * k for k in range(28)]
    pullback = torch.func.vjp(camera.snapshot, cube)[1]
    y = camera.snapshot(cube)

    def best(work: Callable[[], object]) -> float:
        times = []
        for _ in range(15):
            began = time.process_time()
            work()
            times.append(time.process_time() - began)
        return 1e3 * min(times)

    forward, back = best(lambda: camera.snapshot(cube)), best(lambda: pullback(y))
    bare = best(lambda: shear_sum(mask * bands, starts, y.shape[1]))
    print(f"256 x 256 x 28: forward {forward:.1f} ms, adjoint {back:.1f} ms, bare slice-and-add {bare:.1f} ms")


def real(steps: int) -> None:
    problem = cassi_real(str(DATA / "tsa_real_scene1.mat"), str(DATA / "tsa_real_mask.mat"))
    print(problem.notes, flush=True)
    for solve in (lambda p: ii.solve(p, steps=steps, callbacks=[]), lambda p: gap_tv(p, 0.1, iterations=40)):
        began = time.process_time()
        solution = solve(problem)
        print(f"{solution.method:12s} held-out chi-square {2 * (solution.held_out() or 0.0):.3f}  {solution.stopped}  "
              f"{time.process_time() - began:.0f} s", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", nargs="+", default=["kodim23.png", "jasper_ridge_r198.mat"])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.speed:
        speed()
    elif arguments.real:
        real(arguments.steps)
    else:
        scenes(arguments.scene, arguments.size, arguments.noise, arguments.seeds)


if __name__ == "__main__":
    main()
