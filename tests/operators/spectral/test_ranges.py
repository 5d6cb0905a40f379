"""Arguments out of their range are refused by name, before any work."""

from typing import Any

import pytest
import torch
from cases.spectral import bands, box, camera

from inverse_inr import Grid
from inverse_inr.operators import (
    CASSI,
    BandResponse,
    BandTotalVariation,
    Placement,
    SpectralResponse,
    render_srgb,
)
from inverse_inr.operators.spectral.dispersion import (
    Cauchy,
    Polynomial,
    Scaled,
    Table,
    ThinPrism,
    on_detector,
    refractive_index,
    steps,
)

WAVELENGTHS = bands(5)
MASK = torch.rand(6, 9)
LAW = steps(WAVELENGTHS, 1.0)
GRID = Grid(box(6, 9), (6, 9, 5))
NAN = float("nan")


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        (CASSI, (box(6, 9), MASK.numpy(), WAVELENGTHS, LAW), "CASSI: mask="),
        (CASSI, (MASK, box(6, 9), WAVELENGTHS, LAW), "CASSI: box="),
        (CASSI, (box(6, 9), MASK, WAVELENGTHS, 2.0), "CASSI: dispersion=2.0"),
        (CASSI, (box(6, 9), MASK, WAVELENGTHS, LAW, "both"), "CASSI: mode='both'"),
        (CASSI, (box(6, 9), MASK, WAVELENGTHS, LAW, "single", 2), "CASSI: axis=2"),
        (CASSI, (box(6, 9), MASK, WAVELENGTHS, LAW, "single", 1, -1.0), "CASSI: psf=-1.0"),
        (CASSI, (box(6, 9), MASK, WAVELENGTHS, LAW, "single", 1, torch.tensor(-1.0)), "psf"),
        (CASSI, (box(6, 9), MASK, WAVELENGTHS, LAW, "single", 1, NAN), "CASSI: psf=nan"),
        (BandResponse, ("high",), "BandResponse: gain='high'"),
        (BandResponse, (None, 1), "BandResponse: quadrature=1"),
        (Placement, ([0.5, 0.5],), "Placement: shift="),
        (Placement, (None, "10 degrees"), "Placement: rotation="),
        (BandTotalVariation, (GRID, 0), "BandTotalVariation: stride=0"),
        (BandTotalVariation, (GRID, 4, -1e-4), "BandTotalVariation: epsilon=-0.0001"),
        (BandTotalVariation, (4, GRID), "BandTotalVariation: grid=4"),
        (SpectralResponse, (WAVELENGTHS, torch.ones(5), GRID, 8), "SpectralResponse"),
        (Table, (WAVELENGTHS, "linear"), "Table: shifts='linear'"),
        (Polynomial, (torch.ones(2), 0.0), "Polynomial: reference=0.0"),
        (Cauchy, (torch.ones(2), -500.0), "Cauchy: reference=-500.0"),
        (Cauchy.fit, (WAVELENGTHS, torch.ones(5), 0), "terms=0"),
        (ThinPrism, (0.1, -50.0, 0.01, 486.13), "ThinPrism: focal=-50.0"),
        (ThinPrism, (0.1, 50.0, 0.0, 486.13), "ThinPrism: pitch=0.0"),
        (Scaled, (2.0,), "Scaled: law=2.0"),
        (steps, (WAVELENGTHS, "2"), "steps: pixels='2'"),
        (steps, (2.0, WAVELENGTHS), "steps: wavelengths=2.0"),
        (on_detector, (WAVELENGTHS, LAW), "on_detector: law="),
        (refractive_index, (500.0,), "refractive_index: wavelengths=500.0"),
        (render_srgb, (torch.ones(2, 2, 5), [1, 2, 3, 4, 5]), "render_srgb: wavelengths="),
        (camera().on(camera().bands).gram_solve, (torch.ones(6, 13), -0.1), "eta=-0.1"),
        (camera().on(camera().bands).gram, (0.0, None, 0.0), "tolerance=0.0"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(call: Any, arguments: tuple, message: str):
    with pytest.raises((TypeError, ValueError), match=message):
        call(*arguments)


def test_whites_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"render_srgb: white=0\.0"):
        render_srgb(torch.ones(2, 2, 5), WAVELENGTHS, white=0.0)
