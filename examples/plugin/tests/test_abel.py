"""Closed forms first, then the contracts of the library."""

import math

import pytest
import torch
from inverse_inr_abel.operator import AbelTransform
from inverse_inr_abel.prior import even_chebyshev
from inverse_inr_abel.problem import abel

import inverse_inr as ii
from inverse_inr.testing import OperatorTests, PriorTests

DISTANCES = torch.linspace(0, 0.9, 7, dtype=torch.float64)


def test_a_disc_gives_its_chords():
    seen = ii.predict(AbelTransform(DISTANCES, 1.0), lambda points: torch.ones_like(points))
    torch.testing.assert_close(seen, 2 * (1 - DISTANCES**2).sqrt())


def test_a_gaussian_gives_a_gaussian():
    width = 0.15
    seen = ii.predict(AbelTransform(DISTANCES, 1.0), lambda r: torch.exp(-((r / width) ** 2)))
    expected = width * math.sqrt(math.pi) * torch.exp(-((DISTANCES / width) ** 2))
    torch.testing.assert_close(seen, expected, atol=1e-9, rtol=1e-9)


class TestAbelTransform(OperatorTests):
    def make(self):
        return AbelTransform(DISTANCES, 1.0, nodes=16)


class TestEvenChebyshev(PriorTests):
    box = ii.Box((0.0,), (1.0,))

    def make(self):
        prior = even_chebyshev(self.box, degree=3)
        with torch.no_grad():
            prior.coefficients.copy_(torch.tensor([[0.5], [0.2], [-0.3], [0.1]]))
        return prior


def test_a_flame_is_found_by_its_names():
    problem = abel(noise_level=0.01)
    solution = ii.Solver(problem, seed=0).run()  # what the problem suggests, by name
    assert solution.metrics()["relative error"] < 0.05


def test_distances_outside_the_radius_are_refused():
    with pytest.raises(ValueError, match="must be below radius"):
        AbelTransform(DISTANCES, 0.5)
