"""Push-broom cubes of several seeds: uncorrected, correlation, the joint fit, and the oracles.

    python benchmarks/pushbroom/seeds.py --seeds 0 1 2 [--no-fit]

A line for each method: PSNR of the reflectance, rms errors of smile (nm) and keystone (samples),
the share of stray light that was found, and seconds.
"""

from __future__ import annotations

import argparse

import torch

from inverse_inr import Solution
from inverse_inr.problems.spectral import pushbroom
from inverse_inr.problems.spectral.pushbroom import correcting
from inverse_inr.problems.spectral.pushbroom.fitting import joint_fit


def surfaces(solution: Solution) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Smile in nm and keystone in samples as a method has them; None where it has none."""
    if "smile" in solution.details:
        return solution.details["smile"], solution.details["keystone"]
    if solution.learnt:
        operator = solution.problem.terms[0].operator
        return operator.surfaces  # pyright: ignore[reportAttributeAccessIssue]
    return None


def line(solution: Solution, truth: tuple[torch.Tensor, torch.Tensor]) -> str:
    """A row of the table."""
    said = f"{solution.method:28} {solution.metrics()['PSNR']:6.2f} dB"
    found = surfaces(solution)
    if found is not None:
        pairs = zip(found, truth, strict=True)
        errors = [float((a.detach() - b).square().mean().sqrt()) for a, b in pairs]
        said += f"  smile {errors[0]:.3f} nm  keystone {errors[1]:.3f}"
    if solution.learnt:
        said += f"  stray {float(solution.learnt['0.stray']):.4f}"
    return f"{said}  {solution.seconds:.1f} s"


def main() -> None:
    """Print a table for each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--no-fit", action="store_true", help="the classical ways alone")
    given = parser.parse_args()
    for seed in given.seeds:
        problem = pushbroom(seed=seed)
        truth = problem.notes["smile, keystone"]
        sizes = [float(v.square().mean().sqrt()) for v in truth]
        print(f"seed {seed}: smile {sizes[0]:.3f} nm rms, keystone {sizes[1]:.3f} samples rms")
        print(line(correcting.uncorrected(problem), truth), flush=True)
        print(line(correcting.corrected(problem), truth), flush=True)
        print("told:", line(correcting.with_true_distortions(problem), truth), flush=True)
        if given.no_fit:
            continue
        print(line(joint_fit(problem, hold_out=False), truth), flush=True)
        told = pushbroom(known=True, seed=seed)
        print("told:", line(joint_fit(told, hold_out=False), truth), flush=True)


if __name__ == "__main__":
    main()
