"""Units left out at random: what a draw is, and that a fit with them runs and differs."""

import pytest
import torch

from inverse_inr.priors.periodic import Sine
from inverse_inr.problems.ct import ct
from inverse_inr.uncertainty import mc_dropout
from inverse_inr.uncertainty.dropout import DroppedUnits


def test_units_are_left_out_as_often_as_asked_and_the_mean_stays():
    units = DroppedUnits(Sine(1.0), 0.25, 0, 0)
    z = torch.ones(3, 2000)
    values = []
    for progress in range(20):
        units.anneal(progress / 20)
        values.append(units(z))
        assert torch.equal(values[-1][0], values[-1][2])  # the same units at every point
    found = torch.stack(values)
    assert float((found == 0).double().mean()) == pytest.approx(0.25, abs=0.02)
    assert float(found.mean()) == pytest.approx(float(torch.sin(torch.tensor(1.0))), rel=0.02)
    units.eval()
    assert torch.equal(units(z), torch.sin(z))


def test_draws_after_a_fit_are_fields_of_their_own():
    problem = ct(size=16, views=10, noise_level=0.02)
    found = mc_dropout(problem, "siren", draws=3, steps=8, callbacks=[])
    images = [member.sample() for member in found.members]
    assert not torch.equal(images[0], images[1])
    assert torch.equal(images[1], found.members[1].sample())
    at = problem.grid.points().float()
    torch.testing.assert_close(found.members[1].field(at), images[1])
    assert found.deviation().shape == (16, 16, 1)
    assert bool((found.deviation() > 0).any())


def test_a_prior_without_units_is_refused():
    with pytest.raises(ValueError, match="no layers of units"):
        mc_dropout(ct(size=12, views=6), "grid", steps=2, callbacks=[])
