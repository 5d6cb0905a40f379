"""Colours of spectra against colour-science: illuminant, weights of non-uniform bands, ΔE00."""

import warnings

import numpy as np
import pytest
import torch

from inverse_inr.operators.spectral.colour_matching import cie_xyz
from inverse_inr.operators.spectral.dispersion import TSA_WAVELENGTHS
from inverse_inr.operators.spectral.rendering import (
    D65,
    daylight,
    encode_srgb,
    render_srgb,
    xyz_weights,
)

colour = pytest.importorskip("colour")
BANDS = torch.tensor(TSA_WAVELENGTHS, dtype=torch.float64)


def patches():
    spectra = colour.SDS_COLOURCHECKERS["ColorChecker N Ohta"].values()
    with warnings.catch_warnings(action="ignore"):
        return [s.copy().align(colour.SpectralShape(380, 780, 5)) for s in spectra]


def delta_e(weights: torch.Tensor) -> np.ndarray:
    """ΔE00 of each patch, seen in 28 bands, from its colour by colour-science."""
    white = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D65"]
    found = []
    for spectrum in patches():
        seen = torch.from_numpy(np.interp(BANDS.numpy(), spectrum.wavelengths, spectrum.values))
        with warnings.catch_warnings(action="ignore"):  # it says that it aligns the tables
            truth = colour.sd_to_XYZ(spectrum, illuminant=colour.SDS_ILLUMINANTS["D65"]) / 100
        labs = [
            colour.XYZ_to_Lab(np.asarray(xyz), white) for xyz in ((seen @ weights).numpy(), truth)
        ]
        found.append(colour.delta_E(*labs, method="CIE 2000"))
    return np.array(found)


def test_daylight_is_the_standard_one():
    table = colour.SDS_ILLUMINANTS["D65"]
    exact = np.interp(np.arange(380, 781, 10), table.wavelengths, table.values)
    assert np.abs(np.array(D65) - exact).max() < 0.01
    assert daylight(torch.tensor([300.0, 380.0, 385.0, 780.0, 781.0])).tolist() == pytest.approx(
        [0, 49.98, 52.315, 63.38, 0], abs=1e-3
    )


def test_24_reflectances_in_28_bands_are_within_one_delta_e():
    weights = xyz_weights(BANDS, reflectance=True)
    errors = delta_e(weights)
    assert len(errors) == 24
    assert errors.mean() < 1.0
    alike = cie_xyz(BANDS) * daylight(BANDS)[:, None]  # every band counted alike, white put right
    assert delta_e(alike / alike.sum(0) * weights.sum(0)).mean() > 2.5


def test_white_is_white():
    assert torch.allclose(
        xyz_weights(BANDS, reflectance=True)[:, 1].sum(), torch.tensor(1.0, dtype=torch.float64)
    )
    white = render_srgb(torch.ones(2, 28, dtype=torch.float64), BANDS, reflectance=True)
    assert (white - 1).abs().max() < 0.01
    half = render_srgb(torch.ones(28).double(), BANDS, reflectance=True, white=2.0)
    assert (half - 0.735).abs().max() < 0.01
    assert encode_srgb(torch.tensor([0.0, 0.0031308, 1.0])).tolist() == pytest.approx(
        [0, 0.04045, 1], abs=1e-4
    )


def test_it_is_differentiable():
    cube = (0.2 + 0.6 * torch.rand(3, 28, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda c: render_srgb(c, BANDS, reflectance=True), cube)


def test_a_cube_with_bands_first_is_refused():
    with pytest.raises(ValueError, match="Bands come last"):
        render_srgb(torch.rand(28, 4, 5), BANDS)


@pytest.mark.parametrize(
    ("wavelengths", "message"), [(BANDS.flip(0), "rise"), (BANDS / 1000, "micrometres")]
)
def test_wavelengths_that_fall_or_are_not_visible_are_refused(wavelengths, message):
    with pytest.raises(ValueError, match=message):
        xyz_weights(wavelengths)
