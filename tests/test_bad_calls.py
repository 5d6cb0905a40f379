"""Bad calls give a right result or an error of ours, by name, soon and without much memory.

They are made of the table in `cases/calls/components.py` and `operators.py`, one argument
spoilt at a time: another type, sign, zero, NaN, infinity, huge, a flag for a number, a fraction for
a whole number, swapped neighbours. `python tests/cases/calls/judge.py ROOM` prints what is answered
wrongly.
"""

import pytest
from cases.calls.files import FILES
from cases.calls.judge import Judged, failing_calls, rooms
from cases.calls.operators import PROBLEMS

from inverse_inr import denoisers, fidelity, noise, optimizers, priors, regularizers, stopping
from inverse_inr.operators.catalogue import operators
from inverse_inr.problems.catalogue import problems

FAST = {
    "denoisers": 8,
    "domain": 12,
    "optimizers": 8,
    "priors": 250,
    "regularizers": 14,
    "solver": 16,
}
"""Of these rooms every n-th call is made in the fast tests."""


@pytest.fixture(scope="module")
def sample() -> dict[str, Judged]:
    """The answers of one process, whose start takes longer than the calls."""
    return failing_calls(FAST)


@pytest.mark.parametrize("room", FAST)
def test_a_sample_of_bad_calls_is_answered(sample, room):
    assert sample[room].count > 12
    assert not sample[room].wrong, "\n".join(sample[room].wrong)


@pytest.mark.slow
@pytest.mark.parametrize("room", list(rooms()))
def test_every_bad_call_is_answered(room):
    judged = failing_calls({room: 1})[room]
    assert judged.count > 40
    assert not judged.wrong, "\n".join(judged.wrong)


def _named(*rooms_: str) -> set[str]:
    return {good.name for room in rooms_ for good in rooms()[room]()}


def test_every_prior_is_in_the_table():
    assert set(priors.names()) <= _named("priors")


def test_every_stopping_rule_and_optimizer_is_in_the_table():
    rules = {stopping.HeldOut, stopping.Discrepancy, stopping.Never, stopping.SURE}
    kinds = {kind.__name__ for kind in (*rules, *optimizers.NAMES.values())}
    assert kinds <= _named("stopping", "optimizers", "solving")


def test_every_regularizer_is_in_the_table():
    kinds = {
        name
        for name, value in vars(regularizers).items()
        if isinstance(value, type) and issubclass(value, regularizers.Regularizer)
    }
    assert kinds - {"Regularizer", "PriorPenalty"} <= _named("regularizers")


def test_every_denoiser_is_in_the_table():
    kinds = {kind.__name__ for kind in denoisers.registry.built_in.values()}
    assert kinds - {"BM3D"} <= _named("denoisers")  # of a package that is not always there


def test_every_noise_model_is_in_the_table():
    kinds = {
        name
        for name, value in vars(noise).items()
        if isinstance(value, type) and issubclass(value, noise.Noise)
    }
    assert kinds - {"Noise"} <= _named("noise")
    assert fidelity.Huber.__name__ in _named("noise")


LARGE = {"poisson_edit", "register", "sar_views", "simulated_slices", "surfaces"}
"""Problems that have no small version."""
FILES_OF_A_KIND = {"gotcha"}
"""Problems whose file format nothing here writes; `phase_history` has the same arguments."""


def test_problems_are_in_the_table():
    assert set(problems()) - LARGE - FILES_OF_A_KIND <= {*PROBLEMS, *FILES}


OTHER_PROGRAMS = {"on_astra", "on_torch_radon"}
"""Operators of programs that are not installed here."""


def test_every_operator_is_in_the_table():
    tables = _named("tomography", "optics", "kspace", "radar", "slices", "spectral", "scene")
    assert set(operators()) - OTHER_PROGRAMS <= tables
