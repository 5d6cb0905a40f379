"""Boundary values by construction: exact on every face, for any parameters and any prior."""

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Term, fidelity, priors
from inverse_inr.operators import PointSamples, Residual, box_boundary
from inverse_inr.priors.means import HardBoundary, between_faces, zero_on_faces
from inverse_inr.solver import Solver
from inverse_inr.stopping import Never

BOX = Box((-1.0, 0.5), (1.0, 1.5))


def wave(p: Tensor) -> Tensor:
    return torch.sin(2 * p[..., :1]) * torch.cos(3 * p[..., 1:2])


@pytest.mark.parametrize("faces", [None, [(0, 0), (0, 1), (1, 0)], [(1, 1)], [(0, 0), (1, 0)]])
def test_the_field_has_the_values_on_the_faces(faces):
    prior = priors.create("siren", BOX, width=16, depth=2).double()
    field = HardBoundary(prior, zero_on_faces(BOX, faces), between_faces(BOX, wave, faces))
    rim, _ = box_boundary(BOX, 200, faces=faces)
    assert torch.allclose(field(rim), wave(rim), atol=1e-14)
    assert bool((zero_on_faces(BOX, faces)(BOX.random_points(100).double()) > 0).all())


def test_values_between_faces_reproduce_what_is_linear_along_each_axis():
    def bilinear(p: Tensor) -> Tensor:
        x, y = p[..., :1], p[..., 1:]
        return 1 + 2 * x - y + 3 * x * y

    points = BOX.random_points(50).double()
    assert torch.allclose(between_faces(BOX, bilinear)(points), bilinear(points), atol=1e-12)


def test_three_axes_agree_on_faces_and_edges():
    box = Box((0.0, 0.0, 0.0), (1.0, 2.0, 3.0))

    def known(p: Tensor) -> Tensor:
        return torch.sin(p.sum(-1, keepdim=True)) * p[..., :1].exp()

    rim, _ = box_boundary(box, 300)
    assert torch.allclose(between_faces(box, known)(rim), known(rim), atol=1e-12)


def test_only_the_channels_that_are_named_are_held():
    prior = priors.create("siren", BOX, 2, width=16, depth=2, head=("linear", "exp")).double()
    field = HardBoundary(prior, zero_on_faces(BOX), channels=[0])
    rim, _ = box_boundary(BOX, 50)
    assert float(field(rim)[:, 0].detach().abs().max()) < 1e-14
    assert torch.equal(field(rim)[:, 1], prior(rim)[:, 1])


def test_a_fit_keeps_them_and_solves_the_equation_inside():
    """-Δu = 13 u for the wave: no step is spent on the boundary, which is exact after any."""
    inside = BOX.random_points(200, generator=torch.Generator().manual_seed(0)).double()
    rim, _ = box_boundary(BOX, 50)
    terms = [
        Term(Residual(lambda u: -u.laplacian, inside), 13 * wave(inside)[:, 0], fidelity.L2()),
        Term(PointSamples(rim), wave(rim)[:, 0], fidelity.L2()),
    ]
    problem = Problem(terms, BOX, Grid(BOX, (16, 16)), reference=wave, average=1)
    prior = priors.create("siren", BOX, width=16, depth=2, omega0=4.0).double()
    field = HardBoundary(prior, zero_on_faces(BOX), between_faces(BOX, wave))
    fit = Solver(problem, field, steps=10, optimizer="lbfgs", stopping=Never(every=5)).run()
    assert torch.allclose(fit.field(rim), wave(rim), atol=1e-14)
    assert fit.metrics()["relative error"] < 0.01
    assert fit.method == "siren, exact boundary"


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (
            lambda: HardBoundary(priors.create("siren", BOX), zero_on_faces(BOX), None, [1]),
            IndexError,
            "channels",
        ),
        (lambda: zero_on_faces(BOX, [(2, 0)]), ValueError, r"faces=\[\(2"),
        (lambda: between_faces(BOX, wave, []), ValueError, r"faces=\[\]"),
    ],
)
def test_what_cannot_be_held_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()
