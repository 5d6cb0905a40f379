"""What the solver itself costs beside a hand-written PyTorch loop of the same work, and what the import adds.

    python benchmarks/solver_overhead.py [--rounds 120]

Both run the same prior on the same number of rays (the solver's own choice) with the same optimiser, in short turns
within one process. A shared host only ever adds time, so each side is its fastest tenth of turns (mean process time);
in parentheses the ratio of each third of the run. The heap is kept (glibc only): else page faults, whose number depends
on the order of frees, come and go by 5 % on either side. The solver also schedules rows, seeds and restores the random
generator, checks for NaN, keeps the best state and writes its history.
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
    """The loop one would write: shuffled rays, Adam with the same groups and a cosine schedule. Yields after a step."""
    term = problem.terms[0]
    operator, y, model = term.operator, term.y, term.fidelity
    assert isinstance(operator, torch.nn.Module)
    assert isinstance(model, noise.Gaussian)
    sigma = torch.as_tensor(model.sigma, dtype=y.dtype)
    groups = prior.param_groups() if isinstance(prior, priors.Prior) else list(prior.parameters())
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
    began = time.process_time()
    call()
    return time.process_time() - began


def fastest(times: list[float]) -> float:
    return statistics.mean(sorted(times)[: max(1, len(times) // 10)])


def compare(name: str, rounds: int, steps: int) -> None:
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
    hand, ours = [], []
    for turn in range(rounds):
        pair = [(hand, by_hand), (ours, lambda: solver.run(steps))]
        for times, call in pair if turn % 2 else pair[::-1]:
            times.append(seconds(call) / steps)
    cost, base = fastest(ours), fastest(hand)
    parts = [fastest(ours[k::3]) / fastest(hand[k::3]) - 1 for k in range(3)]
    print(
        f"{name:6s} loop {1e3 * base:.2f} ms a step, solver {1e3 * cost:.2f} ms: {100 * (cost / base - 1):+.1f} % "
        f"({', '.join(f'{100 * p:+.1f}' for p in sorted(parts))})",
        flush=True,
    )


def imports(rounds: int) -> None:
    code = (
        "import time; a = time.perf_counter(); import torch; b = time.perf_counter(); import inverse_inr; "
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
        f"import torch {torch_time:.2f} s, then import inverse_inr {ours:.3f} s ({100 * ours / torch_time:.0f} %)"
    )


def keep_the_heap() -> None:
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
