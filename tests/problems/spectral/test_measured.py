"""The problem of a snapshot: what it suggests, and which pixels it holds out."""

import pytest

import inverse_inr as ii
from inverse_inr.operators import BandTotalVariation
from inverse_inr.problems.spectral import TrueCamera, cassi_uncalibrated
from inverse_inr.problems.spectral.measured import Modelling

AS_FILED = Modelling(register=False, background=0.01)
STILL = TrueCamera((0.0, 0.0), 0.0, 0.0, 0.0, 0.01)


def small() -> ii.Problem:
    return cassi_uncalibrated("bright", size=36, bands=6, camera=STILL, modelling=AS_FILED)


def test_a_snapshot_is_solved_by_the_separable_prior_with_its_camera_kept():
    problem = small()
    suggested = problem.suggested
    assert suggested.prior == "separable"
    assert set(suggested.baselines) == {"GAP-TV", "ADMM-TV"}
    assert isinstance(suggested.regularizers[0].parts[0][1], BandTotalVariation)  # type: ignore[attr-defined]
    assert not any(p.requires_grad for p in problem.terms[0].operator.parameters())  # type: ignore[attr-defined]
    _, watch = suggested.stopping.split(problem.terms, 0)  # type: ignore[union-attr]
    groups = problem.terms[0].operator.groups  # type: ignore[attr-defined]
    assert len(groups[watch[0]].unique()) == round(0.05 * len(groups.unique()))


def test_unknown_parts_cannot_be_calibrated():
    with pytest.raises(ValueError, match=r"cannot calibrate \['lens'\]"):
        Modelling(calibrate=("lens",))


def test_smooth_spectra_that_are_not_negative_leave_no_bright_place_black():
    """With eight hardly damped cosines (smooth=4) and the sparse head, half the places were."""
    problem = small()
    options = {"head": "softplus", "components": 8, "smooth": 1.0}
    prior = ii.priors.create(
        "spectral_basis", problem.box, bandwidth=ii.priors.bandwidth_of(problem.grid), **options
    )
    found = ii.solve(problem, prior, steps=150, lr=0.05, callbacks=[])
    truth = ii.sample(problem.reference, problem.grid)  # type: ignore[arg-type]
    bright = found.sample()[truth > 0.2 * truth.max()]
    assert float((bright < 0.02 * truth.max()).float().mean()) < 0.03
