"""One fit by several processes, and many fits by one: milliseconds a step.

python benchmarks/speed/several.py                              one process
torchrun --standalone --nproc-per-node 2 benchmarks/speed/several.py     the same fit by two
python benchmarks/speed/several.py many                         16 fits, batched and one by one
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch

import inverse_inr as ii
from inverse_inr import distributed, operators, priors
from inverse_inr.problems.ct import ct
from inverse_inr.solver.many.batch import Batch
from inverse_inr.stopping import Never

STEPS = 20


def milliseconds(step: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and processor time of a step, after three that are not counted."""
    for _ in range(3):
        step()
    wall = time.perf_counter()
    processor = time.process_time()
    for _ in range(STEPS):
        step()
    return (
        (time.perf_counter() - wall) / STEPS * 1e3,
        (time.process_time() - processor) / STEPS * 1e3,
    )


def one_fit(on_grid: bool) -> ii.Solver:
    """A sine network of 3 x 128 on 60 views of 64 x 64 pixels; rays: 256 a step."""
    problem = ct("shepp_logan", size=64, views=60)
    batch = 256
    if on_grid:
        term = problem.terms[0]
        assert isinstance(term.operator, operators.ParallelBeam)
        mapped = ii.Term(term.operator.on(problem.grid), term.y, term.fidelity)
        problem = ii.Problem([mapped], problem.box, problem.grid)
        batch = None
    prior = priors.siren(problem.box, width=128, depth=3, omega0=30.0)
    return ii.Solver(
        problem, prior, regularizers=[], steps=1000, stopping=Never(every=500), batch=batch
    )


def many(prior: str, count: int = 16) -> list[ii.Solver]:
    """Solvers of `count` problems of 32 x 32 pixels, with seeds of their own; 16 rays a step."""
    options = {"regularizers": [], "steps": 1000, "stopping": Never(every=500), "batch": 16}
    made = []
    for seed in range(count):
        problem = ct("shepp_logan", size=32, views=12, seed=seed)
        field: str | torch.nn.Module = prior
        if prior == "siren":
            field = priors.siren(problem.box, width=32, depth=2, seed=seed)
        made.append(ii.Solver(problem, field, seed=seed, **options))
    return made


def main() -> None:
    """Print one line for each fit."""
    if sys.argv[1:] == ["many"]:
        for prior in ("hash", "siren"):
            wall, processor = milliseconds(Batch(many(prior)).step)
            alone = many(prior)
            wall_alone, alone_processor = milliseconds(lambda fits=alone: [f.step() for f in fits])
            print(f"{prior}, 16 fits: batched {wall:.0f} ms ({processor:.0f} ms of a processor),")
            print(f"  one by one {wall_alone:.0f} ms ({alone_processor:.0f} ms)")
        return
    with distributed.started() as ranks:
        for name, on_grid in (("rays", False), ("whole grid", True)):
            wall, processor = milliseconds(one_fit(on_grid).step)
            print(
                f"{name}, process {ranks.rank} of {ranks.world}: {wall:.0f} ms a step, "
                f"{processor:.0f} ms of a processor",
                flush=True,
            )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
