"""Cameras: where pixels look, in closed form, and poses that are none."""

import math

import pytest
import torch

from inverse_inr.operators import Cameras, looking_at

PLACES = torch.tensor([[3.0, 0.0, 0.0], [0.0, -2.0, 1.0]])


def test_the_middle_of_a_picture_sees_the_target():
    target = torch.tensor([0.2, -0.1, 0.3])
    cameras = Cameras(looking_at(PLACES, target), (5, 7), 10.0)
    middle = torch.tensor([0, 1]) * 35 + 2 * 7 + 3
    origin, direction = cameras.rays(middle)
    torch.testing.assert_close(origin[:, 0], PLACES.double())
    to_target = target.double() - PLACES.double()
    expected = to_target / to_target.norm(dim=1, keepdim=True)
    torch.testing.assert_close(direction[:, 0], expected)


def test_upper_rows_look_upwards_and_right_columns_to_the_right():
    """From (3, 0, 0) towards the origin with z upwards, +y is on the right."""
    cameras = Cameras(looking_at(PLACES[:1], torch.zeros(3)), (4, 4), 4.0)
    _, upper_left = cameras.rays(torch.tensor([0]))
    _, lower_right = cameras.rays(torch.tensor([15]))
    assert upper_left[0, 0, 2] > 0 > lower_right[0, 0, 2]
    assert upper_left[0, 0, 1] < 0 < lower_right[0, 0, 1]
    # pixel centres lie 1.5 pixels from the middle: a slope of 1.5 / 4
    torch.testing.assert_close(
        upper_left[0, 0], torch.tensor([-1.0, -0.375, 0.375]).double() / math.sqrt(1 + 2 * 0.375**2)
    )


def test_the_rays_of_a_pixel_lie_around_its_own():
    cameras = Cameras(looking_at(PLACES, torch.zeros(3)), (4, 6), (8.0, 9.0), (2.5, 2.0))
    rows = torch.arange(len(cameras))
    one = cameras.rays(rows)[1][:, 0]
    four = cameras.rays(rows, 2)[1]
    assert four.shape == (48, 4, 3)
    torch.testing.assert_close(four.norm(dim=-1), torch.ones(48, 4).double())
    assert float((four.mean(1) - one).abs().max()) < 1e-2


def good() -> torch.Tensor:
    return looking_at(PLACES, torch.zeros(3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: 2 * p[:, :3], "pose 0 is no rotation.*its scale is 2"),
        (lambda p: p.mT, r"the last row of pose 0 is \[3.0, .*Rows for columns"),
        (lambda p: p * torch.tensor([1.0, 1.0, -1.0, 1.0]), "reflection"),
        (lambda p: p[:, :2], r"poses must be \(views, 4, 4\), got \(2, 2, 4\)"),
        (lambda p: p[:0], "poses must be"),
        (lambda p: p + torch.nan, "finite"),
    ],
    ids=["scaled", "transposed", "mirrored", "short", "empty", "nan"],
)
def test_what_is_no_pose_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Cameras(change(good()), (4, 4), 4.0)


def test_a_camera_that_looks_along_up_is_refused():
    with pytest.raises(ValueError, match="straight along up"):
        looking_at(torch.tensor([[0.0, 0.0, 2.0]]), torch.zeros(3))
    with pytest.raises(ValueError, match=r"places must be \(views, 3\)"):
        looking_at(torch.zeros(3), torch.zeros(3))
