"""Fits by several processes of gloo: how they are started, and what each of them does.

The functions are run in processes of their own, which import this module.
"""

import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.multiprocessing import get_context

import inverse_inr as ii
from inverse_inr import distributed, fidelity, noise, operators, optimizers, phantoms, priors
from inverse_inr.regularizers import PairDifference, TotalVariation
from inverse_inr.solver import Checkpoint, read_checkpoint
from inverse_inr.stopping import HeldOut

BOX = ii.Box((-1.0, -1.0), (1.0, 1.0))
GRID = ii.Grid(BOX, (17, 16))
STEPS = 50


def on_ranks(
    work: Callable[[Path], object], folder: Path, world: int = 2, wait: float = 120.0
) -> list[int]:
    """Run a function of this module in several processes; each gets the folder.

    Returns:
        The exit status of each process.
    """
    # torch is imported once, in the server, whose copies the processes are
    server = get_context("forkserver")
    server.set_forkserver_preload(["torch", "inverse_inr.operators"])
    made = [server.Process(target=_one, args=(work, folder, r, world)) for r in range(world)]
    for process in made:
        process.start()
    for process in made:
        process.join(wait)
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode for process in made]


def _one(work: Callable[[Path], object], folder: Path, rank: int, world: int) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank))
    meet = f"file://{folder}/meet-{work.__name__}"
    try:
        with distributed.started(timeout=60.0, init_method=meet):
            work(folder)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        (folder / f"error-{rank}.txt").write_text(said, encoding="utf-8")
        raise SystemExit(1) from None


# --- the problems ---------------------------------------------------------------------------------


class Means:
    """Means of the field at two places a row, one of which a learnt shift moves."""

    def __init__(self, count: int) -> None:
        generator = torch.Generator().manual_seed(3)
        self.places = torch.rand(count, 2, 2, dtype=torch.float64, generator=generator) - 0.5

    def __len__(self) -> int:
        return len(self.places)

    def __call__(self, rows: torch.Tensor):
        return self.places[rows], lambda values: values[..., 0].mean(1)


class Shifted(nn.Module):
    """The same with a learnt shift of all places, and a learnt gain."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.inner = Means(count)
        self.shift = nn.Parameter(torch.full((2,), 0.02, dtype=torch.float64))
        self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))

    def __len__(self) -> int:
        return len(self.inner)

    def __call__(self, rows: torch.Tensor):
        points, measure = self.inner(rows)
        return points + self.shift, lambda values: self.gain * measure(values)


class AsksItself:
    """An operator that asks the field itself, twice."""

    def __len__(self) -> int:
        return 40

    def __call__(self, rows: torch.Tensor):
        raise NotImplementedError

    def predict(self, field, rows: torch.Tensor) -> torch.Tensor:
        places = Means(40).places[rows, 0]
        first = field(places)[:, 0]
        return first + field(places + 0.1 * first[:, None].detach())[:, 0]


def problem(operator, distance=None, **keywords) -> ii.Problem:
    """A problem on a phantom, its measurements with noise."""
    truth = phantoms.gaussian_blobs(BOX, count=4, width=0.1, seed=2)
    model = noise.Gaussian(0.01)
    with torch.no_grad():
        exact = ii.predict(operator, lambda points: truth(points).double())
    y = model.sample(exact.double(), torch.Generator().manual_seed(0))
    return ii.Problem([ii.Term(operator, y, distance or model, **keywords)], BOX, GRID)


def solver(name: str, **changes) -> ii.Solver:
    """The run of a case; all are in double precision."""
    beam = operators.ParallelBeam(BOX, torch.arange(7) * torch.pi / 7, 15)
    # drawn phases in training: shares of points; the others: shares of rows
    groups = torch.arange(40) % 3
    cases = {
        "rays": lambda: (problem(beam), {}),
        "grid": lambda: (problem(beam.on(GRID)), {}),
        "places": lambda: (problem(Means(40)), {}),
        "learnt": lambda: (problem(Shifted(40), fidelity.LearntScale(groups, 0.1)), {}),
        "correlation": lambda: (problem(Means(40), fidelity.NCC()), {}),
        "asks itself": lambda: (problem(AsksItself()), {}),
        "few rows": lambda: (problem(Means(40)), {"batch": 1}),
        "pairs": lambda: (problem(Means(40)), {"regularizers": [1e-2 * PairDifference()]}),
        "lbfgs": lambda: (problem(beam.on(GRID)), {"optimizer": "lbfgs", "steps": 6}),
        "gauss-newton": lambda: (
            problem(Means(40)),
            {"optimizer": optimizers.GaussNewton(), "steps": 6},
        ),
    }
    task, special = cases[name]()
    keywords = {
        "regularizers": [1e-2 * TotalVariation()],
        "batch": 11,
        "steps": STEPS,
        "points": 33,
        "stopping": HeldOut(every=10, fraction=0.2),
        "optimizer": optimizers.Adam(epsilon=1e-8),
        **special,
        **changes,
    }
    prior = priors.siren(BOX, width=16, depth=2, omega0=6.0, seed=1).double()
    return ii.Solver(task, prior, **keywords)


CASES = (
    "rays",
    "grid",
    "places",
    "learnt",
    "correlation",
    "asks itself",
    "few rows",
    "pairs",
    "lbfgs",
    "gauss-newton",
)


def outcome(run: ii.Solver) -> dict:
    """What a run came to: everything but times."""
    run.run()
    history = [{k: v for k, v in record.items() if k != "seconds"} for record in run.history]
    best = run.best
    return {
        "state": dict(run.objective.state_dict()),
        "history": history,
        "best": (best["step"], best["value"]),
        "image": run.solution().sample(),
        "ended": run.stopped and run.stopped.kind,
        "steps": run.step_number,
    }


# --- what a process does --------------------------------------------------------------------------


def every_case(folder: Path) -> None:
    """Make all runs, one after the other."""
    found = {name: outcome(solver(name)) for name in CASES}
    torch.save(found, folder / f"every-{distributed.current().rank}.pt")


def checkpointed(folder: Path) -> None:
    """Make a run of which half is done when all processes are killed."""

    class Kill:
        def between_steps(self, run) -> None:
            if run.step_number == STEPS // 2:
                Checkpoint(folder / "state.pt").write(run)
                os.kill(os.getpid(), signal.SIGKILL)

        def __call__(self, run, record) -> None:
            pass

    solver("rays", callbacks=[Kill()]).run()


def resumed(folder: Path) -> None:
    """Go on from the checkpoint of `checkpointed`, or of `interrupted`."""
    run = solver("rays")
    run.load_state_dict(read_checkpoint(folder / "state.pt"))
    torch.save(outcome(run), folder / f"resumed-{distributed.current().rank}.pt")


class SignalsItself(Means):
    """An operator during whose 20th question Ctrl-C reaches process 1 alone."""

    asked = 0

    def __call__(self, rows: torch.Tensor):
        self.asked += 1
        if self.asked == 20 and distributed.current().rank == 1:
            signal.raise_signal(signal.SIGINT)
        return super().__call__(rows)


def interrupted(folder: Path) -> None:
    """Make a run that Ctrl-C in one process ends."""
    run = ii.Solver(
        problem(Means(40)),
        priors.siren(BOX, width=8, depth=1, omega0=6.0).double(),
        steps=200,
        batch=11,
        callbacks=[Checkpoint(folder / "state.pt")],
    )
    assert isinstance(run.objective.terms[0].operator, Means)
    run.objective.terms[0].operator.__class__ = SignalsItself
    torch.save(outcome(run), folder / f"interrupted-{distributed.current().rank}.pt")


class Fails(Means):
    """An operator whose 20th question fails in process 1 alone."""

    asked = 0

    def __call__(self, rows: torch.Tensor):
        self.asked += 1
        if self.asked == 20 and distributed.current().rank == 1:
            raise ValueError("the 20th question has no answer")
        return super().__call__(rows)


def failing(folder: Path) -> None:
    """Make a run that an error in one process ends."""
    run = ii.Solver(problem(Fails(40)), priors.siren(BOX, width=8, depth=1).double(), batch=11)
    run.run()


def unlike(folder: Path) -> None:
    """Make a run whose measurements are not the same in all processes."""
    task = problem(Means(40))
    task.terms[0].y[0] += distributed.current().rank
    ii.Solver(task, priors.siren(BOX, width=8, depth=1).double())
