"""Problems are values: nothing can be assigned to one, and what takes one leaves it as it was."""

import ast
import inspect
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from cases.stack import simulated
from torch import Tensor, nn

from inverse_inr import Box, Problem, Suggestion, Term, baselines, noise
from inverse_inr.operators import CASSI, DetectorDrift, ParallelBeam
from inverse_inr.problems.ct.drift_removal import drift_removed
from inverse_inr.problems.ct.simulated import ct, filtered_backprojection, measured_by
from inverse_inr.problems.registration import register
from inverse_inr.problems.restoration import deblur, denoise, inpaint, super_resolution
from inverse_inr.problems.slices.simulation import simulate_stacks
from inverse_inr.problems.slices.volumes import problem_of, simulated_slices
from inverse_inr.problems.spectral import Alignment, cassi
from inverse_inr.problems.spectral.cassi import first_alone
from inverse_inr.problems.spectral.cassi_calibration import calibrated
from inverse_inr.rounds import refined

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("inverse_inr", "operators", "problems", "benchmarks", "notebooks")
    for path in (ROOT / folder).rglob("*.py")
)
PARTS = {"baselines", "notes", "options"}
CHANGING = ("update", "setdefault", "pop", "clear", "popitem")


def drifting() -> Problem:
    """Few rays through a blob on a detector whose elements drift."""
    clean = ct("gaussian_blobs", size=12, views=8)
    beam = clean.terms[0].operator
    assert isinstance(beam, ParallelBeam)
    detector = DetectorDrift(beam, 1, times=torch.arange(8))
    return Problem([Term(detector, clean.terms[0].y, noise.Gaussian(0.1))], clean.box, clean.grid)


def moved() -> Problem:
    return cassi(size=8, bands=3, alignment=Alignment(calibration="learnt"))


def rough_tv(problem: Problem) -> Any:
    return baselines.tv(problem, 1.0, iterations=5)


TAKING: dict[str, tuple[Callable[[], Problem], Callable[[Problem], object]]] = {
    "refined": (lambda: inpaint("cat", crop=12, rounds=0), lambda p: refined(p, 2, 0.5)),
    "calibrated": (moved, lambda p: calibrated(p, steps=2)),
    "drift_removed": (drifting, lambda p: drift_removed(p, rough_tv, rounds=2)),
    "measured_by": (
        drifting,
        lambda p: measured_by(ct("gaussian_blobs", size=12, views=8).terms[0].operator, p),
    ),
    "FBP behind a drift": (drifting, filtered_backprojection),
    "first_alone": (lambda: cassi(size=8, bands=3, second="rgb"), first_alone),
}


@pytest.mark.parametrize("name", TAKING)
def test_what_takes_a_problem_leaves_it_as_it_was(name: str) -> None:
    make, work = TAKING[name]
    problem = make()
    before = state(problem)
    assert work(problem) is not problem
    assert differences(before, state(problem)) == []


MAKING: dict[str, Callable[[], Problem]] = {
    "inpaint": lambda: inpaint("cat", crop=12),
    "inpaint, held out": lambda: inpaint("cat", crop=12, held_out=0.2, rounds=1),
    "denoise": lambda: denoise("cat", crop=12),
    "deblur": lambda: deblur("cat", crop=24, size=5.0),
    "super_resolution": lambda: super_resolution("cat", crop=12, factor=2),
    "register": lambda: register("cat", crop=16, bin=4),
}


@pytest.mark.parametrize("name", MAKING)
def test_no_problem_changes_once_it_is_made(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each problem on the way to the result is, at the end, what it was when it was made."""
    made: list[tuple[Problem, dict[str, object]]] = []
    check = Problem.__post_init__

    def watched(self: Problem) -> None:
        check(self)
        made.append((self, state(self)))

    monkeypatch.setattr(Problem, "__post_init__", watched)
    result = MAKING[name]()
    assert any(problem is result for problem, _ in made)
    assert [differences(before, state(problem)) for problem, before in made] == [[]] * len(made)


@pytest.mark.parametrize(
    "make", [lambda: ct(size=8, views=4), lambda: problem_of(simulated())], ids=["CT", "slices"]
)
def test_nothing_can_be_assigned_to_a_problem(make: Callable[[], Problem]) -> None:
    problem = make()
    for field in fields(problem):
        with pytest.raises(FrozenInstanceError):
            setattr(problem, field.name, getattr(problem, field.name))
    with pytest.raises(FrozenInstanceError):
        problem.suggested.steps = 3  # pyright: ignore[reportAttributeAccessIssue]


def test_problems_are_equal_only_where_they_are_the_same() -> None:
    """Tensors have no truth value of equality, so equality of fields would raise."""
    one, other = ct(size=8, views=4), ct(size=8, views=4)
    assert one == one
    assert one != other
    assert len({one, other}) == 2


def test_no_code_writes_into_the_parts_of_a_problem() -> None:
    """The dictionaries of a frozen problem could be written to: nobody does."""
    assert {f.name for kind in (Problem, Suggestion) for f in fields(kind)} >= PARTS
    found = [
        (str(path.relative_to(ROOT)), line)
        for path in SOURCES
        for line in writes(ast.parse(path.read_text()), PARTS)
    ]
    assert len(SOURCES) > 200
    assert found == []


def test_a_write_into_a_part_is_seen() -> None:
    bad = [
        "p.suggested.baselines['a'] = 1",
        "p.notes['a'] += 1",
        "p.notes.update(a=1)",
        "p.notes |= {'a': 1}",
    ]
    assert writes(ast.parse("\n".join([*bad, "notes['a'] = 1", "p.notes | {'a': 1}"])), PARTS) == [
        1,
        2,
        3,
        4,
    ]


def writes(tree: ast.AST, parts: set[str]) -> list[int]:
    """Lines that change the dictionary of an attribute named in `parts`."""
    found = []
    for node in ast.walk(tree):
        owner = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            owner = node.value
        if isinstance(node, ast.Attribute) and node.attr in CHANGING:
            owner = node.value
        if isinstance(node, ast.AugAssign):
            owner = node.target
        if isinstance(owner, ast.Attribute) and owner.attr in parts:
            found.append(node.lineno)
    return sorted(found)


SIMULATORS = (cassi, simulate_stacks, simulated_slices, CASSI)


@pytest.mark.parametrize("function", SIMULATORS, ids=lambda f: f.__name__)
def test_a_simulator_groups_its_parameters(function: Callable[..., object]) -> None:
    """At most ten: what belongs together is a record, frozen as all calls share its default."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    assert len(parameters) <= 10
    records = [p.default for p in parameters if is_dataclass(p.default)]
    assert records
    for record in records:
        with pytest.raises(FrozenInstanceError):
            setattr(record, fields(record)[0].name, 1)


# --- what a problem holds ---


def state(value: object, name: str = "problem") -> dict[str, object]:
    """All that a problem holds by its path: tensors copied, containers opened."""
    if isinstance(value, Tensor):
        return {name: value.detach().clone()}
    if isinstance(value, nn.Module):
        held = {f"{name}.{k}": v.detach().clone() for k, v in value.state_dict().items()}
        return {name: value, f"{name} trains": value.training, **held}
    if isinstance(value, dict):
        return merged(
            {name: sorted(map(str, value))}, *(state(v, f"{name}[{k!r}]") for k, v in value.items())
        )
    if isinstance(value, list | tuple):
        return merged({name: len(value)}, *(state(v, f"{name}[{k}]") for k, v in enumerate(value)))
    if is_dataclass(value) and not isinstance(value, type | Box):
        return merged(*(state(getattr(value, f.name), f"{name}.{f.name}") for f in fields(value)))
    return {name: value}


def merged(*parts: dict[str, object]) -> dict[str, object]:
    return {key: value for part in parts for key, value in part.items()}


def differences(before: dict[str, object], after: dict[str, object]) -> list[str]:
    return [name for name in {**before, **after} if not same(before.get(name), after.get(name))]


def same(a: object, b: object) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    if isinstance(a, str | int | float | list) and not isinstance(a, bool):
        return a == b
    return a is b
