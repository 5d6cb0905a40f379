"""Films of a beating heart or of breathing, beside GRASP and low rank plus sparse.

    python benchmarks/kspace_physics/cine.py [--motion breathing --signal learnt --seeds 0 1 2]

Films are compared with the truth's means over pixels at the middles of frames, and at their ends,
which lie between frames; classical films are the mean of two frames there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr.problems.kspace import kspace_cine
from inverse_inr.problems.kspace.cine.classical import grasp, low_rank_plus_sparse
from inverse_inr.problems.kspace.cine.simulated import cine_fit

AVERAGE = 4
"""Points along each side of a pixel whose mean is the truth."""
HEART = (slice(0.28, 0.78), slice(0.25, 0.81))
"""The part of the image that moves, as fractions of its sides."""
METHODS: dict[str, Callable[[ii.Problem], ii.Solution]] = {
    "fit": cine_fit,
    "GRASP, oracle": lambda problem: grasp(problem, "oracle"),
    "GRASP, held-out spokes": grasp,
    "L+S, oracle": lambda problem: low_rank_plus_sparse(problem, "oracle"),
    "L+S, held-out spokes": low_rank_plus_sparse,
}


def film(field: ii.Field, problem: ii.Problem, times: Tensor) -> Tensor:
    """Means over the pixels at some times, (*pixels, times)."""
    n, m = (AVERAGE * k for k in problem.grid.shape[:2])
    places = ii.Grid(ii.Box((-1.0, -1.0), (1.0, 1.0)), (n, m)).points()
    images = []
    for t in times.tolist():
        points = torch.cat([places, torch.full_like(places[..., :1], t)], -1)
        values = field(points)[..., 0].detach()
        images.append(
            values.unflatten(0, (-1, AVERAGE)).mean(1).unflatten(1, (-1, AVERAGE)).mean(2)
        )
    return torch.stack(images, -1)


def frames(solution: ii.Solution, times: Tensor, between: bool) -> Tensor:
    """A solution's film at the middles of frames, or at their ends."""
    if solution.method.startswith("space-time"):
        return film(solution.field, solution.problem, times)
    values = solution.sample()[..., 0]
    if not between:
        return values
    if len(times) < values.shape[-1]:
        return 0.5 * (values[..., 1:] + values[..., :-1])
    return 0.5 * (values + values.roll(1, -1))


def psnr(found: Tensor, truth: Tensor) -> float:
    """PSNR in dB, of the truth's largest value."""
    return float(10 * (truth.max() ** 2 / (found - truth).square().mean()).log10())


def heart(images: Tensor) -> Tensor:
    """The part that moves."""
    rows, columns = (
        slice(int(s.start * n), int(s.stop * n)) for s, n in zip(HEART, images.shape, strict=False)
    )
    return images[rows, columns]


def measure(options: dict[str, object], only: list[str] | None) -> None:
    """Print the errors of all methods on one scan."""
    problem = kspace_cine(**options)  # pyright: ignore[reportArgumentType]
    assert problem.reference is not None
    count = problem.grid.shape[2]
    middles = (torch.arange(count) + 0.5) / count
    ends = torch.arange(count) / count
    if options["motion"] == "breathing":
        ends = ends[1:]
    truth, truth_between = (film(problem.reference, problem, t) for t in (middles, ends))
    print(options, flush=True)
    for name, method in METHODS.items():
        if only and not any(part in name for part in only):
            continue
        solution = method(problem)
        found, between = frames(solution, middles, False), frames(solution, ends, True)
        print(
            f"  {name:24s} frames {psnr(found, truth):6.2f} heart "
            f"{psnr(heart(found), heart(truth)):6.2f} between {psnr(between, truth_between):6.2f} "
            f"heart {psnr(heart(between), heart(truth_between)):6.2f} dB  "
            f"{solution.seconds:4.0f} s  {solution.stopped.text}",
            flush=True,
        )
        for parameter, learnt in solution.learnt.items():
            both = torch.stack([learnt.double(), problem.notes["times"]])
            print(f"    {parameter}: correlation {torch.corrcoef(both)[0, 1]:.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--motion", default="cardiac")
    parser.add_argument("--signal", default="given")
    parser.add_argument("--sampling", default="radial")
    parser.add_argument("--only", nargs="+", help="parts of the names of methods")
    given = vars(parser.parse_args())
    chosen = given.pop("only")
    for seed in given.pop("seeds"):
        measure({**given, "seed": seed}, chosen)
