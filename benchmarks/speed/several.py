r"""One fit by several processes, and many fits by one: milliseconds a step, and memory.

python benchmarks/speed/several.py                              one process
torchrun --standalone --nproc-per-node 2 benchmarks/speed/several.py     the same fit by two
python benchmarks/speed/several.py many                         16 fits, batched and one by one
MALLOC_MMAP_THRESHOLD_=1000000 torchrun --standalone --nproc-per-node 4 \
    benchmarks/speed/several.py memory [sharded]                what each process takes of memory
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import inverse_inr as ii
from inverse_inr import distributed, fidelity, operators, priors
from inverse_inr.problems.ct import ct
from inverse_inr.solver.many.batch import Batch
from inverse_inr.stopping import HeldOut, Never

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


class Samples:
    """Values of the field at random places, one a row: few, so that the field takes the memory."""

    def __init__(self, box: ii.Box, count: int) -> None:
        self.places = box.random_points(count, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.places)

    def __call__(self, rows: torch.Tensor) -> tuple[torch.Tensor, Callable]:
        return self.places[rows], lambda values: values[:, 0]


def resident(key: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at most since /proc/self/clear_refs was written."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/self/status has no {key}.")


def memory(sharded: bool, cells: int = 255, steps: int = 6) -> None:
    """Print how much a grid of `cells` + 1 nodes an axis takes: in steps, and with its result.

    The first step loads parts of torch; so a small fit of the same kind is made before.
    """
    box = ii.Box((-1.0,) * 3, (1.0,) * 3)
    samples = Samples(box, 4096)
    term = ii.Term(samples, samples.places[:, 0].clone(), fidelity.L2())
    problem = ii.Problem([term], box, ii.Grid(box, (8, 8, 8)))

    def made(size: int) -> ii.Solver:
        prior = priors.create("grid", box, cells=size)
        rule = HeldOut(every=2)
        options = {"steps": steps, "batch": 1024, "regularizers": [], "stopping": rule}
        return ii.Solver(problem, prior, sharded=sharded, **options)

    made(15).run()
    gc.collect()
    before = resident("VmRSS")
    run = made(cells)
    field = sum(p.numel() * p.element_size() for p in run.prior.parameters())
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    for _ in range(steps):
        run.run(1)
        gc.collect()
    between = resident("VmRSS") - before
    most = resident("VmHWM") - before
    print(
        f"process {run.ranks.rank} of {run.ranks.world}, sharded={sharded}: field "
        f"{field / 2**20:.0f} MiB; between steps {between / field:.2f} of it, at most "
        f"{most / field:.2f}",
        flush=True,
    )


def main() -> None:
    """Print one line for each fit."""
    if sys.argv[1:2] == ["memory"]:
        with distributed.started():
            memory("sharded" in sys.argv)
        return
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
