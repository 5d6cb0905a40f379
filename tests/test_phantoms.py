"""Phantoms: landmarks of Shepp and Logan's, blobs drawn at random, boxes they do not fit."""

import math

import pytest
import torch

from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import sample
from inverse_inr.phantoms import gaussian_blobs, shepp_logan, shepp_logan_3d

DOUBLE = torch.float64


@pytest.mark.parametrize(("modified", "top"), [(True, 1.0), (False, 2.0)])
def test_shepp_logan_has_its_landmarks(modified: bool, top: float) -> None:
    phantom = shepp_logan(Box((-1, -1), (1, 1)), modified=modified)
    image = sample(phantom, Grid(Box((-1, -1), (1, 1)), (400, 400)))
    assert image.min() > -1e-6
    assert abs(image.max() - top) < 1e-6
    # the skull reaches 0.92 up and down and 0.69 left and right
    inside = torch.tensor([[0.919, 0.0], [-0.919, 0.0], [0.0, 0.689], [0.0, -0.689]], dtype=DOUBLE)
    assert torch.allclose(phantom(inside), torch.tensor(top, dtype=DOUBLE))
    assert (phantom(inside * (0.693 / 0.689)) == 0).all()
    # the right ventricle of the picture (x > 0, column > 0) is the narrow one: fewer dark pixels
    square = Box((-1, -1), (1, 1))
    brain = sample(shepp_logan(square), Grid(square, (400, 400)))[..., 0]
    dark = (brain[100:300, 100:300].abs() < 1e-6).sum(0)
    assert 0 < dark[100:].sum() < 0.8 * dark[:100].sum()
    assert torch.equal(brain[:, 150:250] > 0.9, brain.flip(1)[:, 150:250] > 0.9)


def test_shepp_logan_stands_upright() -> None:
    """The three small ellipses, y = -0.605 in the table, are in the lower half: larger rows."""
    phantom = shepp_logan(Box((-1, -1), (1, 1)))
    spots = torch.tensor([[0.605, -0.08], [0.605, 0.0], [0.605, 0.06]], dtype=DOUBLE)
    assert torch.allclose(phantom(spots), torch.tensor(0.3, dtype=DOUBLE))
    mirrored = -spots[:, :1] * torch.tensor([1.0, 0.0])
    assert torch.allclose(phantom(mirrored), torch.tensor(0.2, dtype=DOUBLE))
    # points near the ends of both ventricles, 18 degrees off the vertical: they lean outwards
    # at the top, and not at the bottom
    up, side = math.cos(math.radians(18)), math.sin(math.radians(18))
    ends = []
    for length, column, lean in ((0.29, 0.22, 1), (0.39, -0.22, -1)):
        along = torch.tensor([-up, lean * side], dtype=DOUBLE) * length
        ends += [along + torch.tensor([0, column]), -along + torch.tensor([0, column])]
    assert phantom(torch.stack(ends)).abs().max() < 1e-6
    assert (phantom(torch.stack(ends) * torch.tensor([-1.0, 1.0])) > 0.1).all()


def test_shepp_logan_scales_with_the_box() -> None:
    small = shepp_logan(Box((-1, -1), (1, 1)))
    large = shepp_logan(Box((10, -50), (30, 50), units=("mm", "mm")))
    points = 0.4 * torch.randn(200, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    assert torch.equal(large(10 * points + torch.tensor([20.0, 0.0])), small(points))
    assert torch.allclose(
        large.fourier(torch.zeros(2, dtype=DOUBLE)),
        100 * small.fourier(torch.zeros(2, dtype=DOUBLE)),
    )


def test_shepp_logan_3d_has_its_landmarks() -> None:
    box = Box((-1, -1, -1), (1, 1, 1))
    phantom = shepp_logan_3d(box)
    volume = sample(phantom, Grid(box, (80, 80, 80)))
    assert volume.min() > -1e-6
    assert abs(volume.max() - 1) < 1e-6
    original = sample(shepp_logan_3d(box, modified=False), Grid(box, (40, 40, 40)))
    assert abs(original.max() - 2) < 1e-6
    points = torch.tensor(
        [[0, 0, 0.89], [0.91, 0, 0], [0, 0.68, 0], [0.65, -0.08, -0.25], [0, -0.22, -0.25]]
    )
    expected = torch.tensor([1, 1, 1, 0.3, 0.0])
    assert torch.allclose(phantom(points)[:, 0], expected, atol=1e-6)
    # both ventricles lean outwards at the top of the picture (negative rows), as in 2-D
    tops = torch.tensor([[-0.276, 0.31, -0.25], [-0.37, -0.34, -0.25]])
    assert phantom(tops).abs().max() < 1e-6
    assert (phantom(tops * torch.tensor([-1.0, 1.0, 1.0])) > 0.1).all()
    assert phantom(torch.tensor([[0, 0, 0.91], [-0.93, 0, 0], [0, 0.7, 0]])).abs().max() == 0


@pytest.mark.parametrize(
    "box", [Box((0, 0), (3, 2)), Box((-1, -1, 0), (1, 1, 4))], ids=["2-D", "3-D"]
)
@pytest.mark.parametrize("count", [1, 40])
def test_gaussian_blobs_vanish_at_the_faces(box: Box, count: int) -> None:
    field = gaussian_blobs(box, count=count, seed=3)
    highest = field(field.centers).max()
    face = box.random_points(2000, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    for axis in range(box.ndim):
        for side in (box.lower, box.upper):
            face_points = face.clone()
            face_points[:, axis] = side[axis]
            assert field(face_points).max() < 1e-8 * highest
    assert (field.values > 0).all()


def test_gaussian_blobs_are_deterministic() -> None:
    box = Box((0, 0), (1, 1))
    state = torch.get_rng_state()
    first, again, other = (gaussian_blobs(box, count=5, width=0.02, seed=s) for s in (0, 0, 1))
    assert torch.equal(first.centers, again.centers)
    assert torch.equal(first.widths, again.widths)
    assert not torch.equal(first.centers, other.centers)
    assert torch.equal(torch.get_rng_state(), state)
    assert ((first.widths >= 0.01) & (first.widths <= 0.02)).all()


@pytest.mark.parametrize(
    ("phantom", "ndim", "message"),
    [
        (shepp_logan, 3, r"shepp_logan is 2-D but the box is 3-D"),
        (shepp_logan_3d, 2, r"shepp_logan_3d is 3-D but the box is 2-D"),
        (gaussian_blobs, 1, "GaussianBlobs: centers"),
    ],
)
def test_a_box_of_another_dimension_is_named(phantom, ndim: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        phantom(Box((0,) * ndim, (1,) * ndim))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"width": 0.2}, "shortest side is 1"), ({"count": 0}, "count=0 must be a whole number")],
    ids=["too wide", "none"],
)
def test_blobs_that_do_not_fit_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gaussian_blobs(Box((0, 0), (1, 1)), **options)
