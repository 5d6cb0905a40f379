"""The solver calls every hook that its parts define, and leaves what it was given as it was."""

import ast
import copy
from pathlib import Path

import pytest
import torch
from torch import nn

import inverse_inr as ii
from inverse_inr import Problem, Term, hooks, noise, priors, solve
from inverse_inr.solver import Solver
from inverse_inr.stopping import Never

CALLS: list[tuple] = []
ROOT = Path(hooks.__file__).parents[2]


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


class Told:
    """Both hooks, which write down what they were told."""

    def begin(self, problem, rows):
        CALLS.append((type(self).__name__, "begin", type(problem).__name__, [len(r) for r in rows]))

    def before_step(self, step, progress):
        CALLS.append((type(self).__name__, "before_step", step, progress))


class ToldField(Told, nn.Module):
    """A plain module that is no catalogue prior."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1))

    def forward(self, points):
        return self.value.expand(*points.shape[:-1], 1)


class ToldOperator(Told):
    """A plain class that imports nothing."""

    def __len__(self):
        return 6

    def __call__(self, rows):
        return torch.zeros(len(rows), 2), lambda values: values[..., 0]


class ToldFidelity(Told):
    def __call__(self, prediction, y):
        return (prediction - y).square().mean()


def told_problem(operator=None, fidelity=None) -> Problem:
    box = ii.Box((-1.0, -1.0), (1.0, 1.0))
    term = Term(
        operator or ToldOperator(), torch.ones(6), fidelity or ToldFidelity(), rows=torch.arange(4)
    )
    return Problem([term], box, ii.Grid(box, (4, 4)))


def test_prior_operator_and_fidelity_are_told_when_a_fit_begins_and_before_each_step():
    solver = Solver(told_problem(), ToldField(), steps=4, stopping=Never())
    began = [("ToldField", "begin"), ("ToldOperator", "begin"), ("ToldFidelity", "begin")]
    assert [call[:2] for call in CALLS] == began
    assert all(call[2:] == ("Problem", [4]) for call in CALLS)  # the rows of the fit, not all six
    CALLS.clear()
    solver.run()
    assert [call[2:] for call in CALLS if call[0] == "ToldOperator"] == [
        (0, 0.0),
        (1, 0.25),
        (2, 0.5),
        (3, 0.75),
    ]
    assert len(CALLS) == 12


def test_a_part_without_hooks_is_left_alone():
    box = ii.Box((-1.0, -1.0), (1.0, 1.0))
    plain = Term(lambda_operator(), torch.ones(6), noise.Gaussian(1.0))
    solve(
        Problem([plain], box, ii.Grid(box, (4, 4))),
        ToldField(),
        steps=2,
        stopping=Never(),
        callbacks=[],
    )
    assert {call[0] for call in CALLS} == {"ToldField"}


def lambda_operator():
    class Plain:
        def __len__(self):
            return 6

        def __call__(self, rows):
            return torch.zeros(len(rows), 2), lambda values: values[..., 0]

    return Plain()


def test_hooks_change_the_solver_s_copy_and_not_what_the_user_passed():
    class Counts(ToldFidelity):
        count = 0

        def before_step(self, step, progress):
            self.count += 1

    mine = Counts()
    solver = Solver(told_problem(fidelity=mine), ToldField(), steps=3, stopping=Never())
    solver.run()
    assert mine.count == 0
    assert solver.objective.terms[0].fidelity.count == 3


class Counts(nn.Module):
    """An operator that counts what it is told."""

    def __init__(self):
        super().__init__()
        self.begun = 0
        self.steps = 0

    def __len__(self):
        return 6

    def forward(self, rows):
        return torch.zeros(len(rows), 2), lambda values: values[..., 0]

    def begin(self, problem, rows):
        self.begun += 1

    def before_step(self, step, progress):
        self.steps += 1


class PlainCounts:
    """The same without torch."""

    begun = 0
    steps = 0
    __len__ = Counts.__len__
    __call__ = Counts.forward
    begin = Counts.begin
    before_step = Counts.before_step


@pytest.mark.parametrize("kind", [Counts, PlainCounts])
def test_hooks_inside_wrappers_are_called_on_the_solver_s_copy(kind):
    box = ii.Box((-1.0, -1.0), (1.0, 1.0))
    inner = kind()
    term = Term(ii.Detector(torch.exp) @ inner, torch.ones(6), noise.Gaussian(1.0))
    problem = Problem([term], box, ii.Grid(box, (4, 4)))
    solver = Solver(problem, ToldField(), steps=3, stopping=Never())
    solver.run()
    told = solver.objective.terms[0].operator.operator
    assert (told.begun, told.steps) == (1, 3)
    assert (inner.begun, inner.steps) == (0, 0)


def test_a_prior_passes_hooks_on_to_its_parts(problem):
    prior = priors.create(
        "fourier", problem.box, spacing="octaves", anneal=True, width=8, depth=1, highest=4.0
    )
    prior.before_step(0, 0.25)
    assert float(prior.encoding.progress) == pytest.approx(0.5)
    composed = priors.create("incode", problem.box, width=8, depth=1)
    assert composed.wants_data
    composed.begin(problem, [term.trusted for term in problem.terms])
    assert not composed.wants_data
    features = copy.deepcopy(composed.network.composer.features)
    composed.begin(problem, [term.trusted for term in problem.terms])
    assert torch.equal(composed.network.composer.features, features)  # it was shown the data before


def test_conditioning_never_sees_the_rows_that_are_held_out(problem):
    """Held-out measurements may be anything: what the prior begins with does not change."""
    term = problem.terms[0]
    spoilt = term.y.clone()
    solver = Solver(problem, "incode", steps=1)
    spoilt[solver.watched_rows[0]] += 100.0
    other = ii.Problem([Term(term.operator, spoilt, term.fidelity)], problem.box, problem.grid)
    again = Solver(other, "incode", steps=1)
    assert torch.equal(
        solver.prior.network.composer.features, again.prior.network.composer.features
    )


def test_a_user_s_fidelity_may_pick_rows_and_stand_for_least_squares():
    class Weighted:
        def __init__(self, weights):
            self.weights = weights

        def __call__(self, prediction, y):
            return 0.5 * (self.weights * (prediction - y).square()).mean()

        def at(self, rows):
            return Weighted(self.weights[rows])

        def least_squares(self, y):
            return y, self.weights

    from inverse_inr.fidelity import at_rows, least_squares

    fidelity = Weighted(torch.arange(6.0))
    y = torch.ones(6)
    assert at_rows(fidelity, torch.tensor([2, 5])).weights.tolist() == [2.0, 5.0]
    assert least_squares(fidelity, y)[1].tolist() == [0, 1, 2, 3, 4, 5]


def test_every_hook_has_a_docstring_and_a_row_in_the_docs():
    trees = [ast.parse(path.read_text()) for path in Path(hooks.__file__).parent.glob("*.py")]
    named = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    assert len(named) > 15
    page = (ROOT / "docs" / "hooks.md").read_text()
    for node in named:
        assert ast.get_docstring(node), node.name
        members = [f for f in node.body if isinstance(f, ast.FunctionDef)]
        assert all(ast.get_docstring(f) for f in members), node.name
        assert f"`{node.name}`" in page, node.name


def test_the_solver_names_no_prior():
    folder = ROOT / "inverse_inr" / "solver"
    words = {
        name
        for name in priors.names()
        if name not in ("hash", "grid", "relu", "tensor", "gaussian", "mixed", "offset", "finer")
    }
    for path in folder.glob("*.py"):
        tree = ast.parse(path.read_text())
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        used |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not words & used, path.name
