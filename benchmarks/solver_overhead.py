"""What the solver itself costs beside a hand-written PyTorch loop of the same work, and what the import adds.

    python benchmarks/solver_overhead.py [--rounds 15]

Both run the same prior on the same rays with the same optimiser, in turns of a second or two (a user's run is longer)
within one process; the ratio is the median over turns of (process time of the solver's steps) / (that of the loop's).
On a busy host look at the fastest turns. The solver also schedules rows, seeds and restores the random generator,
checks for NaN, keeps the best state and writes its history.
"""

from __future__ import annotations

import argparse
import copy
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

BATCH = 128


def hand_written(problem: ii.Problem, prior: torch.nn.Module, steps: int) -> Iterator[None]:
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
        k = step % (len(y) // BATCH)
        rows = order[k * BATCH : (k + 1) * BATCH]
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


def compare(name: str, rounds: int, steps: int) -> None:
    problem = ct(size=128, views=60)
    prior = priors.create(name, problem.box, bandwidth=priors.bandwidth_of(problem.grid))
    total = (rounds + 1) * steps
    loop = hand_written(copy.deepcopy(problem), copy.deepcopy(prior), total)
    solver = Solver(problem, prior, steps=total, batch=BATCH, regularizers=[], stopping=Never())

    def by_hand() -> None:
        for _ in range(steps):
            next(loop)

    by_hand()
    solver.run(steps)  # to warm up
    pairs = []
    for turn in range(rounds):
        calls = [by_hand, lambda: solver.run(steps)]
        times = [seconds(c) for c in (calls if turn % 2 else calls[::-1])]
        pairs.append(times if turn % 2 else times[::-1])
    ratio = statistics.median(b / a for a, b in pairs)
    spread = statistics.quantiles([b / a for a, b in pairs], n=4)
    hand, ours = (1e3 * min(p[k] for p in pairs) / steps for k in (0, 1))
    print(f"{name:6s} median {100 * (ratio - 1):+.1f} % (quartiles {100 * (spread[0] - 1):+.1f}, "
          f"{100 * (spread[2] - 1):+.1f}); fastest turns: loop {hand:.2f} ms a step, solver {ours:.2f} ms, "
          f"{100 * (ours / hand - 1):+.1f} %", flush=True)  # fmt: skip


def imports(rounds: int) -> None:
    code = ("import time; a = time.perf_counter(); import torch; b = time.perf_counter(); import inverse_inr; "
            "print(b - a, time.perf_counter() - b)")  # fmt: skip
    found = []
    for _ in range(rounds):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        found.append([float(v) for v in out.split()])
    torch_time, ours = (statistics.median(f[k] for f in found) for k in (0, 1))
    print(f"import torch {torch_time:.2f} s, then import inverse_inr {ours:.3f} s ({100 * ours / torch_time:.0f} %)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, steps in (("grid", 300), ("hash", 40), ("siren", 10)):
        compare(name, arguments.rounds, steps)
    imports(min(arguments.rounds, 9))


if __name__ == "__main__":
    main()
