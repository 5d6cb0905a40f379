"""What a solver refuses where it is made, before any work starts."""

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

import inverse_inr as ii
from inverse_inr import Solver, priors
from inverse_inr.solver import load_field, save_field
from inverse_inr.stopping import HeldOut, Never


def means(field, points):
    """A regularizer that forgets its last axis: (n, 1)."""
    return field(points).square()


def lonely(field, points):
    """A regularizer that gives no tensor."""
    return float(field(points).detach().square().mean())


class TwoChannels(nn.Module):
    def forward(self, points):
        return torch.cat([points[..., :1], points[..., :1]], -1)


class NoChannelAxis(nn.Module):
    def forward(self, points):
        return points[..., 0]


REFUSED: list[tuple[dict, type[Exception], str]] = [
    ({"lr": -1.0}, ValueError, r"Solver: lr=-1.0 must be a number above 0"),
    ({"lr": 0}, ValueError, r"Solver: lr=0 "),
    ({"lr": float("nan")}, ValueError, r"Solver: lr=nan "),
    ({"operator_lr": 0.0}, ValueError, r"Solver: operator_lr=0.0 "),
    ({"batch": 0}, ValueError, r"Solver: batch=0 "),
    ({"points": 0}, ValueError, r"Solver: points=0 "),
    ({"steps": True}, TypeError, r"Solver: steps=True .* flag"),
    ({"steps": 0}, ValueError, r"Solver: steps=0 "),
    ({"steps": 1.5}, TypeError, r"Solver: steps=1.5 "),
    ({"steps": "2"}, TypeError, r"Solver: steps='2' .* quotes"),
    ({"seed": 1.5}, TypeError, r"Solver: seed=1.5 "),
    ({"seed": -1}, ValueError, r"Solver: seed=-1 "),
    ({"chunk": 0}, ValueError, r"Solver: chunk=0 "),
    ({"optimizer": torch.optim.SGD}, TypeError, r"Solver: optimizer=<class .*SGD"),
    ({"optimizer": "adma"}, ValueError, r"Unknown optimizer 'adma'. Did you mean 'adam'"),
    ({"optimizer": ii.optimizers.Adam(), "lr": 1e-3}, ValueError, r"learning rate once"),
    ({"stopping": 3}, TypeError, r"Solver: stopping=3 "),
    ({"stopping": HeldOut}, TypeError, r"Solver: stopping=<class"),
    ({"callbacks": [3]}, TypeError, r"Solver: callbacks=\[3\] "),
    ({"callbacks": [ii.solver.Progress]}, TypeError, r"class Progress .*Progress\(\.\.\.\)"),
    ({"regularizers": [abs]}, TypeError, r"regularizers holds abs.* as abs\(field, points\)"),
    ({"callbacks": [abs]}, TypeError, r"callbacks holds abs.* as abs\(solver, record\)"),
    ({"callbacks": print}, TypeError, r"Solver: callbacks=<built-in"),
    ({"prior": 3}, TypeError, r"Solver: prior=3 "),
    ({"prior": TwoChannels}, TypeError, r"Solver: prior=<class"),
    ({"prior": TwoChannels()}, ValueError, r"prior TwoChannels .*\(2, 2\).*channels=1"),
    ({"prior": NoChannelAxis()}, ValueError, r"NoChannelAxis .*\(2,\).*Keep the last axis"),
    ({"regularizers": 3}, TypeError, r"Solver: regularizers=3 "),
    ({"regularizers": ii.regularizers.L1()}, TypeError, r"Solver: regularizers=L1"),
    ({"regularizers": [means]}, ValueError, r"means gives values of shape \(4, 1\).*mean"),
    ({"regularizers": [lonely]}, TypeError, r"lonely gives a float"),
    ({"regularizers": [ii.regularizers.L1]}, TypeError, r"class L1 .*L1\(\.\.\.\)"),
    ({"regularizers": [ii.regularizers.PriorPenalty()]}, TypeError, r"PriorPenalty"),
]


@pytest.mark.parametrize(("given", "kind", "message"), REFUSED)
def test_a_solver_refuses_by_name_before_work_starts(problem, given, kind, message):
    with pytest.raises(kind, match=message):
        Solver(problem, **given)


def test_a_complex_prior_is_refused_where_the_problem_is_real(problem):
    prior = priors.siren(problem.box, width=8, depth=1, head="complex")
    with pytest.raises(TypeError, match=r"prior siren is complex; the problem is real"):
        Solver(problem, prior)


def test_a_network_in_half_precision_is_refused(problem):
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 1)

        def forward(self, points):
            return self.linear(points)

    with pytest.raises(TypeError, match=r"prior Plain: bfloat16 tells only 256 places"):
        Solver(problem, Plain().to(torch.bfloat16))


def test_a_regularizer_s_weight_is_a_number(problem):
    with pytest.raises(ValueError, match="L1: weight=nan must be a number"):
        float("nan") * ii.regularizers.L1()


def test_the_rehearsal_changes_nothing(problem):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    solver = Solver(problem, priors.grid(problem.box, cells=8), stopping=Never(), steps=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.grad is None for p in solver.prior.parameters())
    assert (solver.step_number, solver.history) == (0, [])


@pytest.mark.parametrize("field", ["steps", "operator_lr", "batch", "lr"])
def test_a_suggestion_has_the_ranges_of_the_solver(problem, field):
    with pytest.raises(ValueError, match=f"Suggestion: {field}=0 "):
        replace(problem.suggested, **{field: 0})


def test_the_state_of_another_architecture_is_refused_by_name(problem):
    def solver(width: int) -> Solver:
        return Solver(problem, priors.siren(problem.box, width=width, depth=1), steps=2)

    state = solver(8).state_dict()
    with pytest.raises(ValueError, match=r"of another run: the prior was siren"):
        solver(16).load_state_dict(state)
    with pytest.raises(ValueError, match=r"prior 'siren': prior.network.* has shape .* more"):
        solver(16).objective.load_state_dict(state["objective"])


def test_a_folder_is_no_field(tmp_path):
    with pytest.raises(ValueError, match=r"is a folder; name the file, .*field.safetensors"):
        load_field(tmp_path)


def test_a_missing_field_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_field(tmp_path / "no.safetensors")


def test_the_recipe_of_another_version_is_refused(tmp_path, monkeypatch):
    prior = priors.siren(ii.Box((0.0,), (1.0,)), width=8, depth=1)
    prior.recipe.options["of_tomorrow"] = 3
    path = tmp_path / "field.safetensors"
    save_field(prior, path)
    with pytest.raises(ValueError, match=re.escape(f"{path} holds the recipe of no prior here")):
        load_field(path)
