"""Push-broom frames against closed forms: shifted coordinates, lines of light, stray light."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, predict
from inverse_inr.operators.spectral.pushbroom import (
    LegendreSurface,
    PushBroom,
    band_light,
    legendre,
)
from inverse_inr.testing import OperatorTests

GRID = Grid(Box((0.0, 0.0, 700.0), (3.0, 8.0, 750.0), ("px", "px", "nm")), (3, 8, 10))
SMALL = Grid(GRID.box, (2, 4, 5))
INNER = torch.zeros(GRID.shape, dtype=torch.bool)
INNER[:, 2:-2, 2:-2] = True
INNER = INNER.flatten()


def linear(points: Tensor) -> Tensor:
    return (points @ points.new_tensor([1.0, 0.5, 0.01]))[..., None]


def light(depth: float = 0.6, width: float = 2.0) -> Tensor:
    nm = torch.linspace(660, 790, 2601, dtype=torch.float64)
    return torch.stack([nm, 1 - depth * torch.exp(-0.5 * ((nm - 725) / width) ** 2)], -1)


def surfaces(kind: type = Tensor) -> dict[str, Any]:
    smile = torch.tensor([[0.2, -0.1], [0.1, 0.0], [0.3, 0.05]], dtype=torch.float64)
    keystone = torch.tensor([[0.3, 0.1], [-0.4, 0.2]], dtype=torch.float64)
    if kind is nn.Parameter:
        smile, keystone = nn.Parameter(smile), nn.Parameter(keystone)
    return {
        "smile": LegendreSurface(smile),
        "keystone": LegendreSurface(keystone, without_mean=True),
    }


def test_legendre_polynomials_are_orthogonal():
    x = (2 * torch.arange(4000, dtype=torch.float64) + 1) / 4000 - 1
    p = legendre(x, 4)
    gram = (p.mT @ p) / 4000
    want = torch.diag(1 / (2 * torch.arange(4, dtype=torch.float64) + 1))
    assert torch.allclose(gram, want, atol=1e-6)


def test_a_keystone_has_no_part_that_all_bands_share():
    _, keystone = PushBroom(GRID, fwhm=6.0, **surfaces()).surfaces
    assert keystone.abs().max() > 0.3
    assert keystone.mean(1).abs().max() < 5e-3  # to the sum over ten bands for the integral


def test_a_linear_field_is_seen_at_the_moved_places():
    operator = PushBroom(GRID, fwhm=6.0, **surfaces())
    smile, keystone = operator.surfaces
    y, x, nm = GRID.points(torch.float64).unbind(-1)
    want = y + 0.5 * (x + keystone) + 0.01 * (nm + smile)
    seen = predict(operator, linear)
    assert torch.allclose(seen[INNER], want.flatten()[INNER], atol=1e-12)


def test_a_gaussian_line_seen_by_a_gaussian_band():
    """The band's light is 1 - depth · w / √(w² + σ²) · exp(-(λ - 725)² / 2(w² + σ²))."""
    sigma = 6.0 / math.sqrt(8 * math.log(2))
    centers, mean, _ = band_light(light(), 6.0).unbind(1)
    total = 4.0 + sigma**2
    line = 0.6 * 2.0 / math.sqrt(total) * torch.exp(-0.5 * (centers - 725) ** 2 / total)
    assert (mean - (1 - line)).abs().max() < 1e-3  # the response ends at 1.5 widths


def test_one_look_is_exact_where_the_field_is_linear_across_a_band():
    many = PushBroom(GRID, fwhm=6.0, light=light(), nodes=129, **surfaces())
    one = PushBroom(GRID, fwhm=6.0, light=light(), **surfaces())
    assert torch.allclose(predict(one, linear)[INNER], predict(many, linear)[INNER], atol=2e-4)


def test_stray_light_leaves_an_even_frame_and_moves_a_share_of_any_other():
    def even(points: Tensor) -> Tensor:
        return torch.full_like(points[..., :1], 2.5)

    def one_line(points: Tensor) -> Tensor:
        return (points[..., :1] < 1).to(points.dtype) * points[..., 1:2]

    seen = PushBroom(GRID, fwhm=6.0, stray=0.2, stride=(1, 1))
    assert torch.allclose(predict(seen, even), torch.tensor(2.5, dtype=torch.float64))
    frames = predict(seen, one_line).reshape(GRID.shape)
    clean = predict(PushBroom(GRID, fwhm=6.0), one_line).reshape(GRID.shape)
    assert torch.equal(frames[1:], clean[1:])  # no light comes from another line
    i = torch.arange(8, dtype=torch.float64)
    kernel = torch.exp(-0.5 * ((i[:, None] - i) / (0.3 * 8)) ** 2)
    laid = (kernel / kernel.sum(1, keepdim=True)) @ clean[0]
    assert torch.allclose(frames[0], 0.8 * clean[0] + 0.2 * laid, atol=1e-12)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"light": light()[100:700]}, "rising from below 693.5 to above 756.5 nm"),
        ({"light": light().flip(0)}, "not sorted"),
        ({"stray": 1.0}, "stray"),
        ({"fwhm": 0.0}, "fwhm"),
    ],
    ids=["light ends", "light falls", "stray", "fwhm"],
)
def test_what_cannot_be_is_refused(keywords: dict, message: str):
    with pytest.raises(ValueError, match=message):
        PushBroom(GRID, **{"fwhm": 6.0, **keywords})


def test_a_plane_is_no_cube():
    with pytest.raises(ValueError, match="lines, samples and bands"):
        PushBroom(Grid(Box((0.0, 0.0), (1.0, 1.0)), (2, 2)), fwhm=6.0)
    with pytest.raises(ValueError, match=r"coefficients must be \(p, q\)"):
        LegendreSurface(torch.zeros(3))


class TestPushBroom(OperatorTests):
    def make(self) -> PushBroom:
        share = nn.Parameter(torch.tensor(0.1, dtype=torch.float64))
        return PushBroom(
            SMALL, fwhm=6.0, light=light()[::10], stray=share, **surfaces(nn.Parameter)
        )


class TestManyNodes(OperatorTests):
    def make(self) -> PushBroom:
        return PushBroom(SMALL, fwhm=6.0, light=light()[::10], nodes=9, **surfaces())
