"""Point-spread functions against closed forms: transfer functions, nodes, draws, features."""

import math
import warnings

import pytest
import torch
from cases.blur import BOX, COVARIANCE, GRIDS, PATH, PSFS, K, each, kernel
from scipy import special
from torch import Tensor

from inverse_inr import predict
from inverse_inr.operators import Blur, quadrature
from inverse_inr.operators.optics.psf import (
    Airy,
    Defocus,
    Gaussian,
    Measured,
    Motion,
    Pixel,
    blurred_features,
)


@each
def test_nodes_give_the_transfer_function(name: str):
    h = PSFS[name]()
    offsets, weights = h.nodes(40)
    assert float(weights.sum()) == pytest.approx(1, abs=1e-12)
    seen = (weights * torch.exp(-2j * math.pi * (K @ offsets.mT))).sum(-1)
    assert (seen - h.transfer(K)).abs().max() < 1e-10
    assert h.transfer(K)[0] == pytest.approx(1)


@each
def test_draws_are_distributed_as_the_psf(name: str):
    h = PSFS[name]()
    engine = torch.quasirandom.SobolEngine(h.uniforms, scramble=True, seed=1)
    u = engine.draw(2**14, dtype=torch.float64)
    offsets, weights = h.draw(u)
    seen = (weights * torch.exp(-2j * math.pi * (K @ offsets.mT))).sum(-1)
    assert (seen - h.transfer(K)).abs().max() < 2e-3
    inside = (offsets.abs() <= h.half_widths() * (1 + 1e-9)).all(-1)
    # the support of a Gaussian is cut where it holds all but 1e-6
    assert inside.double().mean() > 1 - 1e-4


def test_transfer_functions_in_closed_form():
    k = torch.tensor([[0.7, 0.0]], dtype=torch.float64)
    straight = Motion(torch.tensor([[-0.5, 0.0], [0.5, 0.0]]) * 0.6)
    assert straight.transfer(k) == pytest.approx(math.sin(math.pi * 0.42) / (math.pi * 0.42))
    assert Gaussian(0.3).transfer(k) == pytest.approx(math.exp(-2 * (math.pi * 0.3 * 0.7) ** 2))
    covariant = Gaussian(covariance=COVARIANCE).transfer(k)
    assert covariant == pytest.approx(math.exp(-2 * math.pi**2 * 0.09 * 0.49))
    # a round aperture: 2/π (acos ρ - ρ sqrt(1 - ρ²)), ρ = k / cutoff
    # (Goodman, Introduction to Fourier Optics, 6.3)
    rho = torch.tensor([0.1, 0.3, 0.6, 0.9], dtype=torch.float64)
    cutoff = 3.8317059702075125 / math.pi / 0.2
    truth = 2 / math.pi * (rho.acos() - rho * (1 - rho**2).sqrt())
    errors = []
    for rings in (4, 16, 64):
        seen = Airy(0.2, rings).transfer(torch.stack([rho * cutoff, 0 * rho], -1))
        errors.append(float((seen - truth).abs().max()))
    assert errors[0] < 0.06
    # the light cut off, 2 / (π v), falls with the rings
    assert errors[2] < errors[1] / 3 < errors[0] / 9


def test_bessel_functions_and_their_slopes_are_scipys():
    z = torch.linspace(0, 80, 400, dtype=torch.float64, requires_grad=True)
    j0, j1 = (torch.from_numpy(f(z.detach().numpy())) for f in (special.j0, special.j1))
    assert (quadrature.bessel_j0(z).detach() - j0).abs().max() < 1e-14
    assert (quadrature.jinc(z) - 2 * j1 / z)[1:].detach().abs().max() < 1e-14
    assert float(quadrature.jinc(z[0].detach())) == pytest.approx(1)
    slope = torch.autograd.grad(quadrature.bessel_j0(z).sum(), z)[0]
    assert (slope + j1).abs().max() < 1e-13


def test_fourier_features_average_in_closed_form():
    """Closed form, features and quadrature of a sum of sinusoids agree to 1e-10.

    A Gaussian damps each sinusoid by exp(-2π² σ² k²).
    """
    generator = torch.Generator().manual_seed(0)
    frequencies = torch.randn(20, 2, dtype=torch.float64, generator=generator)
    coefficients = torch.randn(40, 1, dtype=torch.float64, generator=generator)
    x = BOX.random_points(9, dtype=torch.float64, generator=generator)

    def features(points: Tensor) -> Tensor:
        phase = 2 * math.pi * points @ frequencies.mT
        return torch.cat([phase.sin(), phase.cos()], -1)

    for h in (Gaussian(0.07), Motion(0.3 * PATH), Defocus(0.1), Pixel(0.2)):
        closed = (blurred_features(features(x), frequencies, h) @ coefficients)[:, 0]
        seen = predict(Blur(h, x, nodes=20), lambda p: features(p) @ coefficients)
        assert (closed - seen).abs().max() < 1e-10
    damping = torch.exp(-2 * math.pi**2 * 0.07**2 * frequencies.square().sum(-1))
    gaussian = blurred_features(features(x), frequencies, Gaussian(0.07))
    assert torch.allclose(gaussian, features(x) * torch.cat([damping, damping]), atol=1e-14)
    raw = blurred_features(torch.cat([features(x), x], -1), frequencies, Gaussian(0.07))
    assert torch.equal(raw[:, 40:], x)
    with pytest.raises(ValueError, match="need at least 40 features"):
        blurred_features(x, frequencies, Gaussian(0.07))


def test_a_kernel_that_does_not_sum_to_one_is_named_and_kept():
    with pytest.warns(UserWarning, match=r"Measured: the kernel sums to 2, not 1"):
        h = Measured(2 * kernel(), 0.1)
    assert float(predict(Blur(h, GRIDS[0]), lambda p: 1 + 0 * p[..., :1])[0]) == pytest.approx(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # the right one of the two middles of an even kernel
        assert Measured(kernel((4, 4)), 0.1).center == (2, 2)
