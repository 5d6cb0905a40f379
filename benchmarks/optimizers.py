"""The loss that each optimizer reaches in equal processor time: docs/solving.md has the table.

    python benchmarks/optimizers.py [--seconds 20] [--only WORDS]

Two small problems with all rows in every step: Shepp-Logan 64² from 60 views with 1 % noise, by the
map on its pixels, and the 64² centre of scikit-image's camera with noise of 0.05. Adam runs with
its schedule over as many steps as fit the time. Times are processor time of one thread.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import torch
from skimage import data

import inverse_inr as ii
from inverse_inr import optimizers, priors
from inverse_inr.operators import ParallelBeam
from inverse_inr.stopping import Never

OPTIMIZERS: dict[str, optimizers.Optimizer] = {
    "adam": optimizers.Adam(),
    "lbfgs": optimizers.LBFGS(iterations=20),
    "gauss-newton": optimizers.GaussNewton(),
    "variable-projection": optimizers.VariableProjection(),
}

PRIORS: dict[str, tuple[str, dict[str, Any]]] = {
    "grid": ("grid", {}),
    "hash": ("hash", {}),
    "siren 3x128": ("siren", {}),
    "siren 2x48": ("siren", {"width": 48, "depth": 2}),
}

PROBING = 20
"""Steps of Adam that are timed, to know how many fit."""


def tomography(seed: int) -> ii.Problem:
    """Shepp-Logan from 60 views, 1 % noise, by the map on 64² pixels."""
    box = ii.Box((-1.0, -1.0), (1.0, 1.0))
    grid = ii.Grid(box, (64, 64))
    operator = ParallelBeam(box, torch.arange(60) * torch.pi / 60, 91).on(grid)
    truth = ii.phantoms.shepp_logan(box)
    image = ii.SampledField(ii.sample(truth, grid, average=4).float(), grid)
    mean = ii.predict(operator, image)
    model = ii.noise.Gaussian(0.01 * float(mean.max()))
    y = model.sample(mean, torch.Generator().manual_seed(seed))
    return ii.Problem([ii.Term(operator, y, model)], box, grid, reference=truth)


def denoising(seed: int) -> ii.Problem:
    """The middle of `camera`, every second pixel, with noise of 0.05."""
    image = torch.from_numpy(data.camera()[192:320:2, 192:320:2].copy()).float() / 255
    grid = ii.Grid(ii.Box((-1.0, -1.0), (1.0, 1.0)), (64, 64))
    model = ii.noise.Gaussian(0.05)
    y = model.sample(image.reshape(-1), torch.Generator().manual_seed(seed))
    operator = ii.OnGrid(lambda v: v, grid, grid.shape)
    return ii.Problem([ii.Term(operator, y, model)], grid.box, grid)


PROBLEMS = {"tomography": tomography, "denoising": denoising}


def reached(
    problem: ii.Problem, prior: str, optimizer: str, seconds: float, seed: int
) -> tuple[float, int]:
    """The training loss after so much processor time, and the number of steps."""
    name, options = PRIORS[prior]
    task = {"regularizers": [], "stopping": Never(every=10**6), "seed": seed}

    def solver(steps: int) -> ii.Solver:
        head = {"bandwidth": priors.bandwidth_of(problem.grid), "seed": seed}
        made = priors.create(name, problem.box, 1, **head, **options)
        return ii.Solver(problem, made, optimizer=OPTIMIZERS[optimizer], steps=steps, **task)

    steps = 10**6
    if optimizer == "adam":
        probe = solver(PROBING)
        began = time.process_time()
        probe.run()
        steps = max(1, int(seconds / (time.process_time() - began) * PROBING))
    run = solver(steps)
    began = time.process_time()
    while run.step_number < steps and time.process_time() - began < seconds:
        run.step()
    with torch.no_grad():
        loss = run.objective([s.at(0) for s in run.schedules], torch.zeros(0)).sum()
    return float(loss), run.step_number


def main() -> None:
    """Print one line for each problem, prior and optimizer."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="", help="measure lines with these words in them")
    words = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for problem in PROBLEMS:
        for prior in PRIORS:
            for optimizer in OPTIMIZERS:
                line = f"{problem:12} {prior:12} {optimizer:20}"
                if words.only not in line:
                    continue
                found = [
                    reached(PROBLEMS[problem](seed), prior, optimizer, words.seconds, seed)
                    for seed in range(words.seeds)
                ]
                print(line, " ".join(f"{v:.4g} ({n} steps)" for v, n in found), flush=True)


if __name__ == "__main__":
    main()
