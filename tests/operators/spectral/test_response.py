"""Channel responses against closed forms; Gauss rules; colour matching functions; cubes; slips."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, SampledField, predict
from inverse_inr.operators import SpectralResponse
from inverse_inr.operators.spectral.colour_matching import cie_xyz, linear_srgb
from inverse_inr.operators.spectral.quadrature import band_weights, gauss_rule
from inverse_inr.testing import OperatorTests

SPACE = Grid(Box((-1.0, 2.0), (0.5, 4.0), ("mm", "mm")), (3, 4))
CUBE = Grid(Box((-1.0, 2.0, 400.0), (0.5, 4.0, 700.0), ("mm", "mm", "nm")), (3, 4, 31))
NM = torch.linspace(400, 700, 61, dtype=torch.float64)


def spectrum(p: Tensor) -> Tensor:
    return p[..., :1] + torch.sin(2 * math.pi * p[..., 2:] / 160)


def bump(center: float, width: float) -> Tensor:
    return torch.exp(-0.5 * ((NM - center) / width) ** 2)


def test_a_panchromatic_band_integrates_a_sinusoid():
    """∫ over 450 ... 650 nm, in closed form; the band's edges fall between nodes of any grid."""
    edges = torch.tensor([450.0, 650.0], dtype=torch.float64)
    operator = SpectralResponse(edges, torch.ones(2), SPACE, nodes=12)
    k = 2 * math.pi / 160
    wave = (math.cos(k * 450) - math.cos(k * 650)) / k
    x = SPACE.points(torch.float64)[..., 0].flatten()
    assert torch.allclose(predict(operator, spectrum), 200 * x + wave, atol=1e-9)
    mean = predict(
        SpectralResponse(edges, torch.ones(2), SPACE, nodes=12, normalized=True), spectrum
    )
    assert torch.allclose(mean, x + wave / 200, atol=1e-11)


def test_gaussian_response_damps_a_wave():
    """∫ g(λ) sin kλ dλ -> exp(-k² σ² / 2) sin kμ for a Gaussian band well inside its table."""
    table = torch.linspace(400, 700, 6001, dtype=torch.float64)
    response = torch.exp(-0.5 * ((table - 550) / 20) ** 2) / (20 * math.sqrt(2 * math.pi))
    k = 2 * math.pi / 160
    seen = predict(SpectralResponse(table, response, SPACE, nodes=10), spectrum)
    truth = SPACE.points(torch.float64)[..., 0].flatten() + math.exp(
        -0.5 * (20 * k) ** 2
    ) * math.sin(550 * k)
    assert torch.allclose(seen, truth, atol=1e-6)


@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize(
    ("response", "signs"),
    [(bump(520, 40), 1), (linear_srgb(NM)[:, 0], 2)],
    ids=["bump", "lobes"],
)
def test_gauss_rules_are_exact_to_degree_2n_minus_1(count: int, response: Tensor, signs: int):
    knots = NM.numpy()
    table = response.numpy()
    nodes, weights = gauss_rule(knots, table, count)
    assert len(nodes) == count * signs
    fine = np.linspace(400, 700, 300001)
    values = np.interp(fine, knots, table)
    for degree in range(2 * count):
        u, v = ((nodes - 550) / 150) ** degree, ((fine - 550) / 150) ** degree
        assert weights @ u == pytest.approx(np.trapezoid(values * v, fine), abs=1e-6)
    assert ((nodes >= 400) & (nodes <= 700)).all()


def test_rgb_by_few_nodes_is_rgb_by_many():
    few, many = (SpectralResponse(NM, linear_srgb(NM), SPACE, nodes=n) for n in (8, 30))
    assert predict(few, spectrum).shape == (12, 3)
    assert torch.allclose(
        predict(few, spectrum), predict(many, spectrum), atol=1e-2
    )  # of integrals near 100
    assert predict(few, lambda p: torch.cat([spectrum(p)] * 2, -1)).shape == (12, 3, 2)


def test_colour_matching_functions():
    nm = torch.arange(360, 831, dtype=torch.float64)
    area = cie_xyz(nm).sum(0)
    assert torch.allclose(
        area, torch.tensor([106.865, 106.857, 106.892]).double(), rtol=0.01
    )  # CIE 1931, 1 nm
    assert float(nm[cie_xyz(nm)[:, 1].argmax()]) == pytest.approx(555, abs=4)
    white = linear_srgb(nm).sum(0) / area[1]
    assert torch.allclose(
        white, torch.tensor([1.205, 0.948, 0.909]).double(), atol=0.02
    )  # equal-energy white


def test_a_cube_is_integrated_exactly_between_its_bands():
    """A spectrum linear between band centres: the field by many nodes, the cube exactly."""
    cube = torch.randn(3, 4, 31, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    operator = SpectralResponse(NM, linear_srgb(NM), SPACE)
    seen = predict(operator.on(CUBE), SampledField(cube, CUBE))
    fine = np.linspace(400, 700, 60001)
    bands = CUBE.axes(torch.float64)[-1].numpy()
    spectra = np.stack([np.interp(fine, bands, s) for s in cube.reshape(12, 31).numpy()])
    tables = np.stack([np.interp(fine, NM.numpy(), c) for c in linear_srgb(NM).T.numpy()])
    truth = np.trapezoid(spectra[:, None] * tables, fine, axis=-1)
    assert np.abs(seen.numpy() - truth).max() < 1e-4 * np.abs(truth).max()
    weights = band_weights(bands, NM.numpy(), linear_srgb(NM).numpy())
    area = np.trapezoid(linear_srgb(NM).numpy(), NM.numpy(), axis=0)
    assert weights.sum(0) == pytest.approx(area)
    points = SPACE.points(torch.float64)[1:2, 1:3] + 0.01
    linear = SampledField(
        CUBE.points(torch.float64)[..., :1], CUBE
    )  # a ramp in space: interpolated exactly
    at = predict(SpectralResponse(NM, bump(520, 40), points, normalized=True).on(CUBE), linear)
    assert torch.allclose(at, points[..., 0].flatten())


class Tight(OperatorTests):
    tolerance = 1e-12

    @pytest.fixture(autouse=True, params=[(3, 4), (4, 4), (5, 3)], ids=str)
    def size(self, request: Any):
        self.space = Grid(SPACE.box, request.param)

    def make(self):
        return SpectralResponse(NM, linear_srgb(NM), self.space, nodes=3)


class TestRGB(Tight):
    pass


class TestPanchromaticPoints(Tight):
    channels = 2

    def make(self):
        return SpectralResponse(
            NM, bump(500, 30), self.space.points(torch.float64), nodes=3, normalized=True
        )


class TestRGBOfCubes(Tight):
    channels = 2

    def make(self):
        return super().make().on(Grid(CUBE.box, (*self.space.shape, 7)))


class TestPanchromaticOfCubes(Tight):
    def make(self):
        points = self.space.points(torch.float64) * 0.9 + 0.1
        return SpectralResponse(NM, bump(500, 30), points).on(
            Grid(CUBE.box, (*self.space.shape, 7))
        )


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((NM, torch.ones(3, 61)), {}, "Transposed"),
        ((NM.flip(0), torch.ones(61)), {}, "wavelengths must rise"),
        ((NM, torch.full((61,), math.nan)), {}, "NaN or Inf"),
        ((NM, torch.zeros(61)), {}, "zero everywhere"),
        ((NM, torch.ones(61)), {"nodes": 0}, "nodes=.* must be a whole number from 1 to 256"),
        (
            (NM, torch.sin((NM - 400) / 300 * 2 * math.pi)),
            {"normalized": True},
            "areas under the response",
        ),
    ],
)
def test_a_response_refuses_what_it_cannot_mean(
    arguments: tuple[Tensor, Tensor], options: dict[str, Any], message: str
):
    with pytest.raises(ValueError, match=message):
        SpectralResponse(*arguments, SPACE, **options)


def test_a_grid_without_wavelengths_is_refused():
    with pytest.raises(ValueError, match="the grid has 2 axes; space has 2"):
        SpectralResponse(NM, torch.ones(61), SPACE).on(SPACE)


@pytest.mark.parametrize(
    ("low", "high", "share"), [(900.0, 1700.0, "0 %"), (0.42, 0.7, "0 %"), (300.0, 1000.0, "40 %")]
)
def test_a_cube_that_lacks_the_light_of_a_channel_is_refused(low, high, share):
    knots = torch.linspace(low, high, 29)
    response = SpectralResponse(knots, torch.ones(29, 3), Grid(Box((0.0,), (4.0,)), (4,)))
    with pytest.raises(ValueError, match=f"channel 0 has {share}"):
        response.on(Grid(Box((0.0, 420.0), (4.0, 700.0)), (4, 8)))
