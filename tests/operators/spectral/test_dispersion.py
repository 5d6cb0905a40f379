"""Laws of dispersion: tables, polynomials, Cauchy, a thin prism of glass."""

import pytest
import torch

from inverse_inr.operators.spectral.dispersion import (
    TSA_WAVELENGTHS,
    Cauchy,
    Polynomial,
    Scaled,
    ThinPrism,
    on_detector,
    refractive_index,
    steps,
)


def test_laws():
    wavelengths = torch.tensor(TSA_WAVELENGTHS, dtype=torch.float64)
    table = steps(wavelengths, 2.0)
    assert torch.allclose(table(wavelengths), 2 * torch.arange(28, dtype=torch.float64))
    assert torch.allclose(
        table(torch.tensor([455.5])), torch.tensor([1.0])
    )  # half-way between the first two
    grating = Polynomial(torch.tensor([1.0, 10.0]), reference=500.0)
    assert torch.allclose(grating(torch.tensor([500.0, 550.0])), torch.tensor([1.0, 6.0]))
    line = torch.stack([torch.ones_like(wavelengths), wavelengths], -1)
    straight = line @ torch.linalg.lstsq(line, table(wavelengths)[:, None]).solution[:, 0]
    assert (
        straight - table(wavelengths)
    ).abs().max() > 3.0  # what a constant step in nm would get wrong
    assert (
        Cauchy.fit(wavelengths, table(wavelengths))(wavelengths) - table(wavelengths)
    ).abs().max() < 0.31
    exact = Cauchy(torch.tensor([80.0, -70.0, 5.0]))
    found = Cauchy.fit(wavelengths, exact(wavelengths))
    assert torch.allclose(found.coefficients, exact.coefficients, atol=1e-8)
    assert torch.allclose(Scaled(table, 1.02, 0.5)(wavelengths), 1.02 * table(wavelengths) + 0.5)


def test_thin_prism_of_bk7():
    # data sheet: n_F = 1.52238, n_d = 1.51680, n_C = 1.51432
    index = refractive_index(torch.tensor([486.13, 587.56, 656.27], dtype=torch.float64))
    assert torch.allclose(
        index, torch.tensor([1.52238, 1.51680, 1.51432], dtype=torch.float64), atol=1e-5
    )
    shift = ThinPrism(0.1, focal=50.0, pitch=0.01, reference=486.13)(
        torch.tensor([486.13, 656.27]).double()
    )
    assert torch.allclose(shift, torch.tensor([0.0, 500 * (1.52238 - 1.51432)]).double(), atol=1e-2)


def test_a_law_of_either_sign_counts_from_its_least_shift():
    wavelengths = torch.tensor(TSA_WAVELENGTHS, dtype=torch.float64)
    down = steps(wavelengths, -2.0)(wavelengths)
    assert down.tolist() == [54.0 - 2 * k for k in range(28)]
    grating = Polynomial(torch.tensor([1.0, -10.0]), reference=500.0)
    moved = on_detector(grating, wavelengths)
    assert float(moved(wavelengths).min()) == 0
    assert torch.allclose(moved(wavelengths).diff(), grating(wavelengths).diff())
    with pytest.raises(ValueError, match="steps: pixels=nan must be"):
        steps(wavelengths, float("nan"))
