"""Regions between closed curves: lengths, normals and areas in closed form."""

import math

import pytest
import torch

from inverse_inr.problems.fields.regions import FLOWER, SHAPES, Curve, Region


def test_a_circle_has_its_length_its_normals_and_its_points():
    circle = Curve((1.0, 2.0), 0.5)
    assert circle.length == pytest.approx(math.pi, rel=1e-12)
    angles = circle.spread(7, 0.25)
    expected = 2 * math.pi / 7 * (torch.arange(7, dtype=torch.float64) + 0.25)
    assert torch.allclose(angles, expected, atol=1e-9)
    arms = circle.at(angles) - torch.tensor([1.0, 2.0])
    assert torch.allclose(circle.normals(angles), arms / 0.5, atol=1e-12)
    assert torch.allclose(circle.relative(circle.at(angles)), torch.ones(7, dtype=torch.float64))


def test_an_ellipse_like_curve_is_walked_at_even_steps():
    """The length by elliptic-like quadrature is not needed: chords of many points are even."""
    curve = FLOWER.outer
    points = curve.at(curve.spread(2000))
    chords = (points - points.roll(1, 0)).norm(dim=-1)
    assert float(chords.max() / chords.min()) == pytest.approx(1, abs=2e-3)
    assert float(chords.sum()) == pytest.approx(curve.length, rel=1e-4)


def test_normals_stand_on_the_curve():
    angles = FLOWER.outer.spread(50)
    step = 1e-6
    along = FLOWER.outer.at(angles + step) - FLOWER.outer.at(angles - step)
    dots = (along * FLOWER.outer.normals(angles)).sum(-1) / along.norm(dim=-1)
    assert float(dots.abs().max()) < 1e-8


@pytest.mark.parametrize("name", list(SHAPES))
def test_the_divergence_theorem_holds_on_a_region(name):
    """∫ div F over the region = ∮ F·n over its rims, by our points and our normals."""
    region = SHAPES[name]
    points = region.inside(20_000)
    box = region.box
    unit = torch.quasirandom.SobolEngine(2, scramble=True, seed=5).draw(40_000).double()
    everywhere = torch.tensor(box.lower) + unit * torch.tensor(box.lengths)
    area = float(region.contains(everywhere).double().mean()) * box.lengths[0] * box.lengths[1]
    divergence = (3 * points[:, 0] ** 2 + points[:, 0]).mean() * area  # F = (x³, x y)
    total = 0.0
    for k, curve in enumerate(region.curves):
        rim, normals = region.rim(4000, [k])
        flux = rim[:, 0] ** 3 * normals[:, 0] + rim[:, 0] * rim[:, 1] * normals[:, 1]
        total += float(flux.mean()) * curve.length
    assert float(divergence) == pytest.approx(total, rel=0.01, abs=0.01)


def test_points_inside_are_inside_and_spread_evenly():
    points = FLOWER.inside(1000, seed=3)
    assert points.shape == (1000, 2)
    assert bool(FLOWER.contains(points).all())
    assert float(torch.pdist(points).min()) > 1e-4


def test_rims_share_points_by_length_and_point_outwards():
    rim, normals = FLOWER.rim(400)
    outer = (FLOWER.outer.relative(rim) - 1).abs() < 1e-9
    share = FLOWER.outer.length / sum(c.length for c in FLOWER.curves)
    assert float(outer.double().mean()) == pytest.approx(share, abs=0.01)
    assert not FLOWER.contains(rim + 1e-6 * normals).any()
    assert bool(FLOWER.contains(rim - 1e-6 * normals).all())


def test_a_reference_is_not_known_outside():
    seen = FLOWER.known_inside(lambda p: p[..., :1])
    points = torch.tensor([[0.0, 0.0], [0.42, 0.0], [5.0, 0.0]])
    assert seen(points)[:, 0].isnan().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Curve((0.0, 0.0), 1.0, {3: (1.2, 0.0)}), "Smaller amplitudes"),
        (lambda: Curve((0.0, 0.0), 1.0, {0: (0.1, 0.0)}), "numbered from 1"),
        (lambda: Region(Curve((0.0, 0.0), 1.0), (Curve((0.9, 0.0), 0.2),)), "beyond the outer"),
        (
            lambda: Region(
                Curve((0.0, 0.0), 1.0), (Curve((0.2, 0.0), 0.2), Curve((0.3, 0.0), 0.2))
            ),
            "meets another hole",
        ),
        (lambda: FLOWER.rim(9, [4]), "curves="),
        (lambda: FLOWER.rim(2), "count=2"),
    ],
)
def test_regions_that_cannot_be_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
