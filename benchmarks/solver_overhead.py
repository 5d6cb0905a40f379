"""Time per step of the solver against a hand-written PyTorch loop, and time of the import.

    python benchmarks/solver_overhead.py [--rounds 120]

Both run the same prior on the same number of rays (the solver's own choice) with the same
optimizer, in short turns within one process. A shared host only ever adds time, so the printed time
of each side is the mean process time of its fastest tenth of turns. The overheads of each third of
the run follow in parentheses.

The heap is kept (glibc only), because otherwise page faults, whose number depends on the order of
frees, change either side by 5 %.

Unlike the loop, the solver also schedules rows, seeds and restores the random generator, checks for
NaN, keeps the best state and writes its history.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import ctypes
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import torch

import inverse_inr as ii
from inverse_inr import noise, priors
from inverse_inr.problems.ct import ct
from inverse_inr.solver import Solver
from inverse_inr.stopping import Never


def hand_written(
    problem: ii.Problem, prior: torch.nn.Module, batch: int, steps: int
) -> Iterator[None]:
    """The loop that one would write by hand; it yields after each step.

    It has shuffled rays, Adam with the solver's parameter groups, and a cosine schedule.
    """
    term = problem.terms[0]
    operator = term.operator
    y = term.y
    model = term.fidelity
    assert isinstance(operator, torch.nn.Module)
    assert isinstance(model, noise.Gaussian)
    sigma = torch.as_tensor(model.sigma, dtype=y.dtype)
    if isinstance(prior, priors.Prior):
        groups = prior.param_groups()
    else:
        groups = list(prior.parameters())
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-15, fused=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    prior.train()
    operator.train()
    order = torch.randperm(len(y))
    for step in range(steps):
        k = step % (len(y) // batch)
        rows = order[k * batch : (k + 1) * batch]
        points, measure = operator(rows)
        optimizer.zero_grad(set_to_none=True)
        loss = 0.5 * ((measure(prior(points)) - y[rows]) / sigma).square().mean()
        loss.backward()
        optimizer.step()
        scheduler.step()
        yield


def seconds(call: Callable[[], object]) -> float:
    """Process time of one call."""
    began = time.process_time()
    call()
    return time.process_time() - began


def fastest(times: list[float]) -> float:
    """Mean of the fastest tenth."""
    return statistics.mean(sorted(times)[: max(1, len(times) // 10)])


def compare(name: str, rounds: int, steps: int) -> None:
    """Print the overhead of one prior, from `rounds` turns of `steps` steps on each side."""
    problem = ct(size=128, views=60)
    prior = priors.create(name, problem.box, bandwidth=priors.bandwidth_of(problem.grid))
    total = (rounds + 1) * steps
    solver = Solver(problem, copy.deepcopy(prior), steps=total, regularizers=[], stopping=Never())
    loop = hand_written(copy.deepcopy(problem), prior, solver.schedules[0].batch, total)

    def by_hand() -> None:
        for _ in range(steps):
            next(loop)

    by_hand()
    solver.run(steps)  # to warm up
    hand: list[float] = []
    ours: list[float] = []
    for turn in range(rounds):
        pair = [(hand, by_hand), (ours, lambda: solver.run(steps))]
        if turn % 2 == 0:
            pair.reverse()  # each side goes first in every second turn
        for times, call in pair:
            times.append(seconds(call) / steps)
    cost = fastest(ours)
    base = fastest(hand)
    parts = [fastest(ours[k::3]) / fastest(hand[k::3]) - 1 for k in range(3)]
    print(
        f"{name:6s} loop {1e3 * base:.2f} ms a step, solver {1e3 * cost:.2f} ms: "
        f"{100 * (cost / base - 1):+.1f} % "
        f"({', '.join(f'{100 * p:+.1f}' for p in sorted(parts))})",
        flush=True,
    )


def imports(rounds: int) -> None:
    """Print the median times of importing torch, and then this library, in new processes."""
    code = (
        "import time; a = time.perf_counter(); import torch; "
        "b = time.perf_counter(); import inverse_inr; "
        "print(b - a, time.perf_counter() - b)"
    )
    found = []
    for _ in range(rounds):
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        found.append([float(v) for v in out.split()])
    torch_time, ours = (statistics.median(f[k] for f in found) for k in (0, 1))
    print(
        f"import torch {torch_time:.2f} s, then import inverse_inr {ours:.3f} s "
        f"({100 * ours / torch_time:.0f} %)"
    )


def keep_the_heap() -> None:
    """Tell glibc to keep freed memory, so that allocations cause no page faults."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=120)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_the_heap()
    for name, steps in (("grid", 50), ("hash", 6), ("siren", 2)):
        compare(name, arguments.rounds, steps)
    imports(min(arguments.rounds, 9))


if __name__ == "__main__":
    main()
