"""Geometries of other toolboxes: ASTRA's dictionaries there and back, scikit-image's convention."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from cases.beam import ANGLES, UNIT, blobs, centers, error, fan, parallel, scans
from skimage.transform import radon as skimage_radon

from inverse_inr import Box, Grid, predict, sample
from inverse_inr.operators.ct.cone_beam import ConeBeam
from inverse_inr.operators.ct.geometry_exchange import from_astra, from_scikit_image, to_astra
from inverse_inr.operators.ct.radon import ParallelBeam
from inverse_inr.operators.kspace.radial import RadialSpokes
from inverse_inr.phantoms import GaussianBlobs

# ---------------------------------------------------------------- ASTRA's geometries


@scans
@centers
@pytest.mark.parametrize(("make", "plain"), [(parallel, "parallel"), (fan, "fanflat")])
def test_astra_dictionaries_round_trip(box: Box, shape: Any, center: float, make: Any, plain: str):
    operator = make(box, center)
    grid = Grid(box, shape)
    dictionaries = to_astra(operator, grid)
    expected = plain
    if center:
        expected = f"{plain}_vec"
    assert dictionaries[0]["type"] == expected
    again, same = from_astra(*dictionaries, units=("mm", "mm"))
    assert type(again) is type(operator)
    assert again.shape == operator.shape
    assert same.shape == shape
    assert np.allclose(same.spacing, grid.spacing)
    torch.testing.assert_close(again.angles.cos(), ANGLES.cos(), atol=1e-5, rtol=0)
    torch.testing.assert_close(again.angles.sin(), ANGLES.sin(), atol=1e-5, rtol=0)
    origin, along = again.rays(torch.arange(50, 300))
    before, direction = operator.rays(torch.arange(50, 300))
    torch.testing.assert_close(origin, before - torch.tensor(box.center), atol=1e-4, rtol=0)
    torch.testing.assert_close(along, direction, atol=1e-4, rtol=0)


@scans
def test_astra_dictionaries_are_astras_own(box: Box, shape: Any):
    astra = pytest.importorskip("astra", reason='ASTRA is optional: pip install "inverse-inr[ct]"')
    half = [n / 2 for n in box.lengths]
    volume = astra.create_vol_geom(*shape, -half[1], half[1], -half[0], half[0])
    theta = ANGLES.double().numpy() - math.pi / 2
    plain = {
        parallel: astra.create_proj_geom("parallel", parallel(box).pitch, 131, theta),
        fan: astra.create_proj_geom("fanflat", fan(box).pitch, 131, theta, 3.0, 1.5),
    }
    for make, expected in plain.items():
        projection, ours = to_astra(make(box), Grid(box, shape))
        assert_same(projection, expected)
        assert_same(ours, volume)
        moved = astra.geom_postalignment(expected, -0.13 / make(box).pitch)
        assert_same(to_astra(make(box, 0.13), Grid(box, shape))[0], moved)


def assert_same(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        if isinstance(value, dict):
            assert_same(ours[key], value)
        elif isinstance(value, str):
            assert ours[key] == value
        else:
            np.testing.assert_allclose(ours[key], value, atol=1e-12)


@pytest.mark.parametrize("make", [parallel, fan])
def test_astra_vectors_about_another_axis(make: Any):
    """A scanner that turns about (X, Y) = (0.1, -0.2): its operator's box is centred there."""
    projection, volume = to_astra(make(UNIT, 0.13), Grid(UNIT, (40, 40)))
    axis = np.array([0.1, -0.2])
    projection["Vectors"][:, 2:4] += axis
    if make is fan:
        projection["Vectors"][:, :2] += axis
    operator, grid = from_astra(projection, volume)
    np.testing.assert_allclose(operator.box.center, (0.2, 0.1), atol=1e-6)
    np.testing.assert_allclose((grid.box.lower, grid.box.upper), (UNIT.lower, UNIT.upper))
    assert float(operator.center) == pytest.approx(0.13, abs=1e-6)
    expected = make(Box((-0.8, -0.9), (1.2, 1.1)), 0.13)
    field = blobs(Box((-0.4, -0.6), (0.8, 0.8)))
    assert error(predict(operator, field), predict(expected, field)) < 1e-3


@pytest.mark.parametrize("make", [parallel, fan])
def test_a_centre_for_each_view_goes_through_astras_vectors(make: Any):
    wobble = 0.1 + 0.02 * torch.sin(torch.arange(len(ANGLES)) * 1.7)
    operator = make(UNIT, wobble)
    again, _ = from_astra(*to_astra(operator, Grid(UNIT, (40, 40))))
    torch.testing.assert_close(again.center, wobble, atol=1e-5, rtol=0)
    for ours, theirs in zip(
        operator.rays(torch.arange(99)), again.rays(torch.arange(99)), strict=True
    ):
        torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=0)


PIXELS = Grid(UNIT, (8, 8))
VOLUME = to_astra(parallel(UNIT), PIXELS)[1]
SCAN = to_astra(parallel(UNIT, 0.1), PIXELS)[0]
FAN_SCAN = to_astra(fan(UNIT, 0.1), PIXELS)[0]
CUBE = Box((-1,) * 3, (1,) * 3)
EVERYTHING, STEP = slice(None), slice(4, 6)


def changed(geometry: dict, view: Any, column: Any, factor: float) -> dict:
    """A geometry whose vectors are multiplied by a factor in some views and columns."""
    vectors = geometry["Vectors"].copy()
    vectors[view, column] *= factor
    return {**geometry, "Vectors": vectors}


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ({"type": "cone"}, "3-D volume"),
        ({"type": "sparse_matrix"}, "are read"),
        (changed(SCAN, 3, STEP, 1.1), "not one pitch"),
        (changed(SCAN, 3, 0, 1.1), "not perpendicular"),
        (changed(FAN_SCAN, 3, slice(0, 2), 1.1), "not turns of one scanner"),
        (changed(FAN_SCAN, EVERYTHING, STEP, -1.0), "Reverse"),
        ({**SCAN, "Vectors": np.ones((3, 4))}, r"\(views, 6\)"),
    ],
    ids=["cone", "matrix", "pitch", "oblique", "far source", "reversed", "columns"],
)
def test_geometries_that_are_no_scan_of_ours_are_refused(geometry: dict, message: str):
    with pytest.raises(ValueError, match=message):
        from_astra(geometry, VOLUME)


def test_a_volume_of_slices_is_refused():
    with pytest.raises(ValueError, match="3-D"):
        from_astra(SCAN, {**VOLUME, "GridSliceCount": 4})


@pytest.mark.parametrize(
    ("operator", "grid", "message"),
    [
        (ConeBeam(CUBE, ANGLES, (4, 4), 3.0, 1.0), PIXELS, "2 axes"),
        (RadialSpokes(UNIT, ANGLES, torch.ones(2)), PIXELS, "operator=RadialSpokes"),
        (parallel(UNIT), Grid(CUBE, (4, 4, 4)), "3 axes"),
    ],
    ids=["pixels", "spokes", "voxels"],
)
def test_what_has_no_such_geometry_is_refused(operator: Any, grid: Grid, message: str):
    with pytest.raises((TypeError, ValueError), match=message):
        to_astra(operator, grid)


# ---------------------------------------------------------------- scikit-image


def off_centre(shape: tuple[int, int]) -> GaussianBlobs:
    middle = torch.tensor(shape, dtype=torch.float64) / 2
    offsets = torch.tensor([[-5.0, 4.0], [6.0, 1.0], [0.0, -7.0]], dtype=torch.float64)
    width = torch.tensor([3.0, 4.0, 3.5], dtype=torch.float64)
    return GaussianBlobs(middle + offsets, width, torch.tensor([1.0, 0.7, -0.4]))


@pytest.mark.parametrize("circle", [True, False])
@pytest.mark.parametrize("shape", [(64, 64), (63, 63), (64, 81), (70, 61), (61, 64)], ids=str)
def test_sinograms_of_scikit_image_are_predicted(shape: tuple[int, int], circle: bool):
    theta = np.linspace(0, 360, 19)[:-1]
    field = off_centre(shape)
    grid = Grid(Box((0, 0), shape), shape)
    image = sample(field, grid)[..., 0].double().numpy()
    place = np.indices(shape) - np.array(shape)[:, None, None] // 2
    image[np.hypot(*place) > min(shape) // 2] = 0  # or scikit-image warns of tails of 1e-6
    sinogram = torch.from_numpy(skimage_radon(image, theta, circle=circle))
    operator = from_scikit_image(theta, shape, circle=circle)
    assert operator.shape == tuple(sinogram.T.shape)
    ours = error(operator.unflatten(predict(operator, field)), sinogram.T)
    assert ours < 0.01
    assert error(operator.unflatten(predict(operator.on(grid), field)), sinogram.T) < 0.01
    if circle and shape == (64, 64):
        naive = ParallelBeam(grid.box, torch.deg2rad(torch.as_tensor(theta) + 90), 64, pitch=1.0)
        assert error(naive.unflatten(predict(naive, field)), sinogram.T) > 5 * ours


def test_scikit_image_refuses_a_shape():
    with pytest.raises(ValueError, match="must be 2 values"):
        from_scikit_image([0.0], (4, 4, 4))  # type: ignore[arg-type]


def test_radians_given_to_scikit_image_are_warned_of():
    with pytest.warns(UserWarning, match="radians"):
        from_scikit_image(np.arange(180) * math.pi / 180, (64, 64))
