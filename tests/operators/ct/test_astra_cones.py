"""Cone beams through ASTRA's dictionaries."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from cases.cone import ANGLES, CUBE, F64, VIEWS, cone, free, moves, wave

from inverse_inr import Grid
from inverse_inr.operators import ConeBeam, ConeVectors, from_astra, to_astra

VOXELS = Grid(CUBE, (8, 9, 7))


def assert_same_rays(one: Any, other: Any) -> None:
    """Up to the middle of the box, which ASTRA's origin is."""
    rows = torch.arange(0, len(one), 5)
    shift = torch.tensor(one.box.center, dtype=F64)
    place = torch.tensor(other.box.center, dtype=F64)
    if isinstance(other, ConeVectors):
        place = torch.zeros(3, dtype=F64)
    (a, along), (b, same) = one.rays(rows), other.rays(rows)
    torch.testing.assert_close(same.double(), along, atol=2e-6, rtol=0)
    gap = torch.linalg.cross((a - shift) - (b.double() - place), along)
    assert float(gap.norm(dim=-1).max()) < 1e-5


@moves
def test_cones_go_through_astras_dictionaries(move: dict[str, Any]):
    beam = cone(**move)
    projection, volume = to_astra(beam, VOXELS)
    assert (projection["type"] == "cone") == (set(move) <= {"pitch"})
    again, grid = from_astra(projection, volume)
    assert isinstance(again, ConeBeam)
    assert again.shape == beam.shape
    assert grid.shape == VOXELS.shape
    np.testing.assert_allclose(grid.spacing, VOXELS.spacing)
    assert_same_rays(beam, again)
    for name in ("center", "vertical", "height", "tilt", "roll", "yaw"):
        expected = getattr(beam, name).float().expand(VIEWS)
        torch.testing.assert_close(getattr(again, name).expand(VIEWS), expected, atol=1e-5, rtol=0)


def test_free_positions_go_through_astras_vectors():
    beam = free(cone(tilt=0.1))
    with torch.no_grad():
        beam.source[:, 0] += wave(0.3)
        beam.along[2] *= 1.2
    again, _ = from_astra(*to_astra(beam, VOXELS))
    assert isinstance(again, ConeVectors)
    assert_same_rays(beam, again)


def test_cones_are_astras_own():
    astra = pytest.importorskip("astra", reason='ASTRA is optional: pip install "inverse-inr[ct]"')
    beam = cone(pitch=(0.15, 0.09))
    ours, volume = to_astra(beam, VOXELS)
    theta = ANGLES.numpy() - math.pi / 2
    theirs = astra.create_proj_geom("cone", 0.09, 0.15, 9, 14, theta, 4.0, 2.0)
    assert ours.keys() == theirs.keys()
    vectors = to_astra(free(beam), VOXELS)[0]["Vectors"]
    np.testing.assert_allclose(vectors, astra.geom_2vec(theirs)["Vectors"], atol=1e-12)
    half = [n / 2 for n in CUBE.lengths]
    named = astra.create_vol_geom(8, 9, 7, -half[1], half[1], -half[0], half[0], -half[2], half[2])
    assert volume["option"] == pytest.approx(named["option"])
    assert {k: volume[k] for k in volume if k != "option"} == {
        k: named[k] for k in named if k != "option"
    }


@pytest.mark.parametrize(
    ("vectors", "message"), [(np.ones((3, 6)), r"\(views, 12\)"), (np.ones((2, 12)), "parallel")]
)
def test_vectors_that_are_no_cone_are_refused(vectors: np.ndarray, message: str):
    counts = {"DetectorRowCount": 2, "DetectorColCount": 2}
    geometry = {"type": "cone_vec", **counts, "Vectors": vectors}
    with pytest.raises(ValueError, match=message):
        from_astra(geometry, to_astra(cone(), VOXELS)[1])
