"""Images of TorchIO and MONAI there and back: values, spacings and affines."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from inverse_inr import Box, Grid, Problem, Solution, Term, noise
from inverse_inr.interoperation import from_monai, from_torchio, to_monai, to_torchio
from inverse_inr.operators import Mask
from inverse_inr.sampled import SampledField

TURNED = np.array(
    [[0.0, -2.0, 0.0, 5.0], [1.5, 0.0, 0.0, -7.0], [0.0, 0.0, 3.0, 11.0], [0.0, 0.0, 0.0, 1.0]]
)
"""Voxels of 1.5, 2 and 3 mm whose first axis runs along y, and the second against x."""


def draw(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def solution_of(values: torch.Tensor, grid: Grid) -> Solution:
    mask = Mask(torch.ones(grid.shape, dtype=torch.bool), grid)
    channels = values.shape[-1]
    y = torch.zeros(len(mask), channels).squeeze(-1)
    problem = Problem([Term(mask, y, noise.Gaussian(1.0))], grid.box, grid, channels=channels)
    return Solution(SampledField(values, grid), problem, "made")


class Meta(torch.Tensor):
    """An image of MONAI's form."""

    def as_tensor(self):
        return self.as_subclass(torch.Tensor)


def meta(values: torch.Tensor, affine: np.ndarray, **said) -> torch.Tensor:
    image = values.as_subclass(Meta)
    image.affine, image.meta = torch.from_numpy(affine), said
    return image


def world(affine: np.ndarray, index: tuple[int, ...]) -> np.ndarray:
    return affine[:3, :3] @ np.array(index) + affine[:3, 3]


def test_an_image_of_torchios_form_keeps_its_place():
    data = draw(2, 4, 5, 6)
    values, grid = from_torchio(SimpleNamespace(data=data, affine=TURNED))
    torch.testing.assert_close(values, data.movedim(0, -1))
    assert grid.shape == (4, 5, 6)
    assert grid.spacing == pytest.approx((1.5, 2.0, 3.0))
    assert grid.box.units == ("mm", "mm", "mm")
    np.testing.assert_array_equal(np.array(grid.affine), TURNED)


def test_an_image_of_monais_form_keeps_its_place():
    values, grid = from_monai(meta(draw(1, 4, 5, 6), TURNED))
    assert values.shape == (4, 5, 6, 1)
    np.testing.assert_array_equal(np.array(grid.affine), TURNED)
    left = from_monai(meta(draw(1, 4, 5, 6), TURNED, space="LPS"))[1]
    moved = world(np.array(left.affine), (1, 2, 3))
    np.testing.assert_allclose(moved, world(TURNED, (1, 2, 3)) * [-1, -1, 1])
    flat = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, -1.0], [0.0, 0.0, 1.0]])
    plane = from_monai(meta(draw(3, 4, 5), flat))[1]
    assert plane.spacing == pytest.approx((2.0, 3.0))
    np.testing.assert_allclose(world(np.array(plane.affine), (1, 1, 0)), [3.0, 2.0, 0.0])


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: from_torchio(draw(2, 3)), TypeError, "Tensor is no torchio image"),
        (
            lambda: from_torchio(SimpleNamespace(data=draw(1, 0, 2, 2), affine=TURNED)),
            ValueError,
            "found shape",
        ),
        (
            lambda: from_torchio(SimpleNamespace(data=draw(1, 2, 2, 2), affine=np.zeros((4, 4)))),
            ValueError,
            "positive voxel sizes",
        ),
        (lambda: from_monai(draw(1, 2, 3)), TypeError, "Tensor is no monai.data.MetaTensor"),
        (
            lambda: from_monai(meta(draw(4, 5, 6), TURNED, spatial_shape=[4, 5, 6])),
            ValueError,
            "ensure_channel_first",
        ),
        (
            lambda: to_torchio(solution_of(draw(4, 1), Grid(Box((0.0,), (1.0,)), (4,)))),
            ValueError,
            "the grid has 1",
        ),
        (
            lambda: to_monai(
                solution_of(draw(2, 2, 1), Grid(Box((0.0, 0.0), (1.0, 1.0), ("s", "s")), (2, 2)))
            ),
            ValueError,
            "axes are lengths",
        ),
    ],
)
def test_what_has_no_place_is_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_torchio_there_and_back(tmp_path):
    tio = pytest.importorskip("torchio", reason="torchio is not installed")
    theirs = tio.ScalarImage(tensor=draw(1, 4, 5, 6), affine=TURNED)
    values, grid = from_torchio(theirs)
    again = to_torchio(solution_of(values, grid))
    torch.testing.assert_close(again.data, theirs.data)
    np.testing.assert_allclose(again.affine, theirs.affine)
    assert again.spacing == pytest.approx(theirs.spacing)
    again.save(tmp_path / "image.nii.gz")  # what they write, we read, and in the same place
    from inverse_inr.io import read_image

    read, where = read_image(tmp_path / "image.nii.gz")
    torch.testing.assert_close(read, values)
    np.testing.assert_allclose(np.array(where.affine), TURNED, atol=1e-6)


def test_monai_there_and_back():
    data = pytest.importorskip("monai.data", reason="monai is not installed")
    theirs = data.MetaTensor(draw(2, 4, 5, 6), affine=torch.from_numpy(TURNED))
    values, grid = from_monai(theirs)
    again = to_monai(solution_of(values, grid))
    torch.testing.assert_close(again.as_tensor(), theirs.as_tensor())
    np.testing.assert_allclose(again.affine.numpy(), TURNED)
    plane = to_monai(
        solution_of(draw(4, 5, 1), Grid(Box((0.0, 0.0), (8.0, 5.0), ("mm", "mm")), (4, 5)))
    )
    np.testing.assert_allclose(np.diag(plane.affine.numpy()), [2.0, 1.0, 1.0, 1.0])
