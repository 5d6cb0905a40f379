"""Fits whose parameters are divided between processes of gloo, and what each process does.

The functions are run in processes of their own by `cases.command.ranks.on_ranks`.
"""

import os
import signal
import warnings
from pathlib import Path

import torch
from cases.command.ranks import BOX, GRID, STEPS, Means, Shifted, outcome, problem

import inverse_inr as ii
from inverse_inr import distributed, fidelity, operators, optimizers, priors
from inverse_inr.regularizers import TotalVariation
from inverse_inr.solver import AgainstReference, Checkpoint, read_checkpoint
from inverse_inr.stopping import HeldOut

CASES = ("siren", "grid", "hash", "learnt", "complex", "chunks")


def field(name: str) -> torch.nn.Module:
    """The prior of a case, in double precision."""
    made = {
        "grid": lambda: priors.create("grid", BOX, bandwidth=4.0, seed=1),
        "hash": lambda: priors.create("hash", BOX, bandwidth=4.0, seed=1),
        "complex": lambda: priors.create("siren", BOX, width=8, depth=1, head="complex", seed=1),
    }
    prior = made.get(name, lambda: priors.siren(BOX, width=16, depth=2, omega0=6.0, seed=1))()
    return prior.double()


def task(name: str) -> ii.Problem:
    """The problem of a case."""
    if name == "learnt":
        return problem(Shifted(40))
    if name == "complex":
        real = problem(Means(40))
        term = real.terms[0]
        y = torch.complex(term.y, term.y.flip(0))
        return ii.Problem([ii.Term(term.operator, y, fidelity.L2())], BOX, GRID, is_complex=True)
    if name == "grid":
        beam = operators.ParallelBeam(BOX, torch.arange(7) * torch.pi / 7, 15)
        return problem(beam.on(GRID))
    return problem(operators.ParallelBeam(BOX, torch.arange(7) * torch.pi / 7, 15))


def solver(name: str, **changes) -> ii.Solver:
    """The run of a case, which several processes divide."""
    keywords = {
        "regularizers": [1e-2 * TotalVariation()],
        "batch": 11,
        "steps": STEPS,
        "points": 33,
        "stopping": HeldOut(every=10, fraction=0.2),
        "optimizer": optimizers.Adam(epsilon=1e-8),
        "sharded": True,
        **changes,
    }
    if name == "complex":
        keywords["regularizers"] = []
    if name == "chunks":  # values are computed again on the way back, after the forward pass
        keywords["chunk"] = 10
    return ii.Solver(task(name), field(name), **keywords)


def every_case(folder: Path) -> None:
    """Make all runs, one after the other."""
    rank = distributed.current().rank
    found = {}
    for name in CASES:
        run = solver(name)
        assert run.is_divided
        found[name] = come_to(run)
    torch.save(found, folder / f"every-{rank}.pt")


def come_to(run: ii.Solver) -> dict:
    """What a run came to, its state whole."""
    found = outcome(run)
    found["state"] = dict(run.state_dict()["objective"])
    return found


def held(folder: Path) -> None:
    """How many numbers a process holds between steps, and how many the prior has."""
    run = solver("hash", steps=2)
    whole = sum(p.numel() for p in run.prior.parameters())
    run.run()
    parts = sum(p.to_local().numel() for p in run._held.parameters)
    means = sum(
        v.to_local().numel()
        for values in run.optimizer.optimizers[0].state.values()
        for name, v in values.items()
        if name != "step"
    )
    stored = sum(p.untyped_storage().nbytes() // 8 for p in run.prior.parameters())
    facts = {"whole": whole, "parts": parts, "means": means, "stored": stored}
    torch.save(facts, folder / f"held-{distributed.current().rank}.pt")


class Kill:
    """Write a checkpoint, which all processes help with, before all of them are killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def between_steps(self, run) -> None:
        if run.step_number == STEPS // 2:
            Checkpoint(self.folder / "state.pt").write(run)
            os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, run, record) -> None:
        pass


def checkpointed(folder: Path) -> None:
    """Make a run of which half is done when the first process is killed."""
    solver("hash", callbacks=[Kill(folder)]).run()


def resumed(folder: Path) -> None:
    """Go on from the checkpoint of `checkpointed`."""
    run = solver("hash")
    run.load_state_dict(read_checkpoint(folder / "state.pt"))
    torch.save(come_to(run), folder / f"resumed-{distributed.current().rank}.pt")


def told(folder: Path) -> None:
    """Make a run whose callbacks look at the field and save it, in the first process alone."""
    made = solver("siren", steps=20).problem
    with_truth = ii.Problem(made.terms, BOX, GRID, reference=lambda points: points[..., :1])
    checkpoint = Checkpoint(folder / "told.pt", seconds=0.0, first=0.0)
    run = ii.Solver(
        with_truth,
        field("siren"),
        steps=20,
        batch=11,
        sharded=True,
        stopping=HeldOut(every=10, fraction=0.2),
        callbacks=[AgainstReference(), checkpoint],
    )
    run.run()
    if distributed.current().first:
        torch.save({"history": run.history}, folder / "history.pt")


def spoilt(folder: Path) -> None:
    """Make a run one of whose parameters becomes NaN, in the part of process 1."""
    run = solver("siren")
    run.run(20)
    last = max(range(len(run._held.parameters)), key=lambda k: run._held.parameters[k].numel())
    if distributed.current().rank == 1:
        with torch.no_grad():
            run._held.parameters[last].to_local()[-1] = float("nan")
    named = run._held.not_finite()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = come_to(run)
    torch.save({**found, "named": named}, folder / f"spoilt-{distributed.current().rank}.pt")
