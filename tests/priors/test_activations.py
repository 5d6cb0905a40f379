"""Every activation against its formula in float64, written out again here."""

import math

import numpy as np
import pytest
import torch
from scipy.special import pro_ang1
from torch import Tensor

from inverse_inr.priors import bandlimited, conditioned, periodic, radial, wavelets
from inverse_inr.priors.activations import Activation, ReLU
from inverse_inr.priors.functions.prolate import cosine_sum, prolate_expansion
from inverse_inr.priors.functions.sinc import smooth_sinc
from inverse_inr.priors.mixed import ATOMS
from inverse_inr.priors.sines.learnt_shape import Hosc, Staf
from inverse_inr.priors.sines.variable_period import Finer, FinerGaussian, FinerWavelet

F64 = torch.float64
Z = np.linspace(-3.0, 3.0, 301)  # 0 is in it
W = Z[:, None] * np.array([1.0, 0.6 + 0.4j, -0.3 + 0.9j])


def raised_cosine(z, period, beta):
    with np.errstate(divide="ignore", invalid="ignore"):
        u = 2 * beta * z / period
        value = np.sinc(z / period) * np.cos(np.pi * u / 2) / (1 - u**2)
    return np.where(np.isclose(np.abs(u), 1), np.pi / 4 * np.sinc(z / period), value)


def root_raised_cosine(z, period, beta):
    t = z / period
    with np.errstate(divide="ignore", invalid="ignore"):
        top = np.sin(np.pi * t * (1 - beta)) + 4 * beta * t * np.cos(np.pi * t * (1 + beta))
        value = top / (np.pi * t * (1 - (4 * beta * t) ** 2))
    sine, cosine = np.sin(np.pi / (4 * beta)), np.cos(np.pi / (4 * beta))
    edge = beta / np.sqrt(2) * ((1 + 2 / np.pi) * sine + (1 - 2 / np.pi) * cosine)
    value = np.where(np.isclose(np.abs(4 * beta * t), 1), edge, value)
    return np.where(np.abs(t) < 1e-12, 1 - beta + 4 * beta / np.pi, value)


def gabor(z, omega, scale):
    return np.exp(1j * omega * z - (scale * np.abs(z)) ** 2)


def pswf(z, c, dilation):
    x = dilation * z
    nodes, weights = np.polynomial.legendre.leggauss(200)
    psi = pro_ang1(0, 0, c, nodes)[0]
    return (np.cos(c * x[:, None] * nodes) @ (weights * psi)) / (weights * psi).sum()


def variable_period(z, omega):
    return np.sin(omega * (np.abs(z) + 1) * z)


def both(function, z):
    return function(z.real) + 1j * function(z.imag)


def on_circle(z):
    return z / np.abs(z)


def cosmo(z, period, zeta, beta):
    t = z / period
    pulse = np.sinc(t) * np.cos(np.pi * beta * t) / (1 - (2 * beta * t) ** 2) / period
    return pulse * np.exp(2j * np.pi * zeta * z)


def staf(terms: int = 5) -> Staf:
    made = Staf(4.0, terms)
    made.initialize(torch.empty(8, 8), torch.empty(8), False, torch.Generator().manual_seed(0))
    return made


STAF = staf()
WAVES = [tuple(p.detach().tolist()) for p in (STAF.amplitude, STAF.frequency, STAF.phase)]
REAL = {
    "relu": (ReLU(), lambda z: np.maximum(z, 0)),
    "sine": (periodic.Sine(30.0), lambda z: np.sin(30 * z)),
    "sinh": (periodic.SinhSine(1.0), lambda z: np.sin(np.sinh(2 * z))),
    "finer": (Finer(7.0, 1.0), lambda z: variable_period(z, 7)),
    "finer detached": (
        Finer(7.0, 1.0, detached=True),
        lambda z: variable_period(z, 7),
    ),
    "finer gaussian": (
        FinerGaussian(5.0, 1.0, 3.0),
        lambda z: np.exp(-((3 * variable_period(z, 5)) ** 2)),
    ),
    "hosc": (Hosc(6.0, 8.0), lambda z: np.tanh(8 * np.sin(6 * z))),
    "staf": (STAF, lambda z: sum(a * np.sin(w * z + p) for a, w, p in zip(*WAVES, strict=True))),
    "gaussian": (radial.Gaussian(3.0), lambda z: np.exp(-((3 * z) ** 2))),
    "quadratic": (radial.Quadratic(3.0), lambda z: 1 / (1 + (3 * z) ** 2)),
    "multi-quadratic": (radial.MultiQuadratic(3.0), lambda z: 1 / np.sqrt(1 + (3 * z) ** 2)),
    "laplacian": (radial.Laplacian(3.0), lambda z: np.exp(-np.abs(3 * z))),
    "super-gaussian": (radial.SuperGaussian(2.0, 3.0), lambda z: np.exp(-((2 * z) ** 2)) ** 3),
    "exp-sine": (radial.ExpSine(3.0), lambda z: np.exp(-np.sin(3 * z))),
    "sinc": (bandlimited.Sinc(8.0), lambda z: np.sinc(8 * z / np.pi)),
    "raised cosine": (bandlimited.RaisedCosine(0.8, 0.5), lambda z: raised_cosine(z, 0.8, 0.5)),
    "root raised cosine": (
        bandlimited.RootRaisedCosine(0.8, 0.5),
        lambda z: root_raised_cosine(z, 0.8, 0.5),
    ),
    "prolate": (bandlimited.Prolate(5.0, 1.3), lambda z: pswf(z, 5.0, 1.3)),
}
COMPLEX = {
    "gabor": (wavelets.GaborComplex(4.0, 1.5), lambda z: gabor(z, 4.0, 1.5)),
    "finer wavelet": (
        FinerWavelet(2.0, 1.0, 1.5, 4.0),
        lambda z: gabor(both(lambda x: variable_period(x, 2), z), 4.0, 1.5),
    ),
}


def pair(z: np.ndarray, dtype: torch.dtype = F64) -> Tensor:
    return torch.from_numpy(np.concatenate([z.real, z.imag], -1)).to(dtype)


def joined(value: Tensor) -> np.ndarray:
    re, im = value.detach().double().chunk(2, -1)
    return re.numpy() + 1j * im.numpy()


def evaluated(activation: Activation, z: np.ndarray, dtype: torch.dtype = F64) -> np.ndarray:
    return activation.to(dtype)(torch.from_numpy(z).to(dtype)).detach().double().numpy()


@pytest.mark.parametrize("name", REAL)
def test_real_activations_are_their_formulas(name: str) -> None:
    activation, formula = REAL[name]
    np.testing.assert_allclose(evaluated(activation, Z), formula(Z), rtol=1e-6, atol=1e-6)
    single = evaluated(activation, Z, torch.float32)
    np.testing.assert_allclose(single, formula(Z), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_activations_are_their_formulas(name: str) -> None:
    activation, formula = COMPLEX[name]
    value = joined(activation.double()(pair(W)))
    np.testing.assert_allclose(value, formula(W), rtol=1e-6, atol=1e-9)


def test_activations_of_two_maps_are_their_formulas() -> None:
    other = W[::-1].copy()
    two = wavelets.GaborTwo(4.0, 1.5).double()(pair(W), pair(other))
    expected = gabor(W, 4.0, 1.5) * np.exp(-((1.5 * np.abs(other)) ** 2))
    np.testing.assert_allclose(joined(two), expected, atol=1e-9)
    back = torch.from_numpy(Z[::-1].copy())
    real = wavelets.GaborReal(4.0, 1.5).double()(torch.from_numpy(Z), back)
    expected = np.cos(4 * Z) * np.exp(-((1.5 * Z[::-1]) ** 2))
    np.testing.assert_allclose(real.numpy(), expected, rtol=1e-6)


def test_composed_activations_are_their_formulas() -> None:
    a, b, c, d = (torch.tensor(v, dtype=F64) for v in (0.3, -0.2, 0.5, 0.1))
    value = conditioned.ComposedSine(7.0).double()(torch.from_numpy(Z), a, b, c, d)
    expected = np.exp(0.3) * np.sin(np.exp(-0.2) * 7 * Z + 0.5) + 0.1
    np.testing.assert_allclose(value.numpy(), expected, rtol=1e-6)
    t, s = torch.tensor(-1.0, dtype=F64), torch.tensor(0.4, dtype=F64)
    period, zeta = 10 / (1 + math.exp(1)), 3 / (1 + math.exp(-0.4))
    z = W[np.abs(W).min(1) > 0]
    free = conditioned.Cosmo(1.0, 0.3, project=False).double()(pair(z), t, s)
    np.testing.assert_allclose(joined(free), cosmo(z, period, zeta, 0.3), rtol=1e-6, atol=1e-9)
    held = conditioned.Cosmo(1.0, 0.3, project=True).double()(pair(z), t, s)
    expected = on_circle(cosmo(on_circle(z), period, zeta, 0.3))
    np.testing.assert_allclose(joined(held), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", REAL)
def test_derivatives_are_the_formulas(name: str) -> None:
    """First and, where declared, second derivatives against central differences.

    Zero and singular points are included.
    """
    activation, formula = REAL[name]
    if activation.smoothness == 0 or name == "finer detached":
        return
    # 0.4 and 0.8 are T/4β and T/2β of the pulses
    z = np.concatenate([Z[::10], [0.4, 0.8, -0.4, 1e-7]])
    x = torch.from_numpy(z).requires_grad_()
    (slope,) = torch.autograd.grad(activation.double()(x).sum(), x, create_graph=True)
    h = 1e-5
    numeric = (formula(z + h) - formula(z - h)) / (2 * h)
    np.testing.assert_allclose(slope.detach().numpy(), numeric, atol=2e-5 * np.abs(numeric).max())
    if activation.smoothness >= 2:
        (bend,) = torch.autograd.grad(slope.sum(), x)
        h = 1e-3
        steps = [formula(z + k * h) for k in (-2, -1, 0, 1, 2)]
        numeric = np.array([-1, 16, -30, 16, -1]) @ np.array(steps) / (12 * h * h)
        np.testing.assert_allclose(bend.numpy(), numeric, atol=1e-3 * np.abs(numeric).max())


def test_sinc_keeps_its_derivatives_near_zero_in_single_precision() -> None:
    x = torch.tensor([1e-8, 1e-6, 1e-4, 1e-2, 0.0], requires_grad=True)
    (slope,) = torch.autograd.grad(smooth_sinc(x).sum(), x, create_graph=True)
    torch.testing.assert_close(slope, -x.detach() / 3, rtol=1e-4, atol=1e-12)
    (bend,) = torch.autograd.grad(slope.sum(), x)
    torch.testing.assert_close(bend, torch.full((5,), -1 / 3), rtol=1e-4, atol=0)


def test_finer_differentiates_what_it_computes() -> None:
    z = torch.linspace(-2, 2, 41, dtype=F64, requires_grad=True)
    true, published = (
        torch.autograd.grad(Finer(3.0, 1.0, detached=d).double()(z).sum(), z)[0]
        for d in (False, True)
    )
    cosine = torch.cos(3 * (z.abs() + 1) * z).detach()
    torch.testing.assert_close(true, 3 * (2 * z.detach().abs() + 1) * cosine)
    factor = (2 * z.abs() + 1).detach() / (z.abs() + 1).detach()
    torch.testing.assert_close(true, factor * published)


def test_prolate_functions_are_scipys_inside_and_of_their_band_outside() -> None:
    c = 5.0
    amplitude, frequency = prolate_expansion(c)
    inside = np.linspace(-0.999, 0.999, 101)
    expected = pro_ang1(0, 0, c, inside)[0] / pro_ang1(0, 0, c, 0.0)[0]
    np.testing.assert_allclose(evaluated(bandlimited.Prolate(c, 1.0), inside), expected, atol=1e-6)
    assert max(frequency) <= c
    assert sum(amplitude) == pytest.approx(1)
    far = evaluated(bandlimited.Prolate(c, 1.0), np.linspace(-20, 20, 999))
    assert np.abs(far).max() <= 1 + 1e-6


@pytest.mark.parametrize("c", [0.5, 5.0, 60.0])
def test_sums_of_cosines_and_their_derivatives_are_their_terms_near_and_far(c: float) -> None:
    amplitude, frequency = (torch.tensor(v, dtype=F64) for v in prolate_expansion(c))
    terms = tuple(zip(amplitude.tolist(), frequency.tolist(), strict=True))
    x = torch.linspace(-60 / c, 60 / c, 501, dtype=F64, requires_grad=True)
    phase = frequency * x.detach()[:, None]
    value = cosine_sum(x, terms)
    slope = torch.autograd.grad(value.sum(), x, create_graph=True)[0]
    bend = torch.autograd.grad(slope.sum(), x)[0]
    torch.testing.assert_close(value, (amplitude * phase.cos()).sum(1))
    torch.testing.assert_close(slope, -(amplitude * frequency * phase.sin()).sum(1))
    torch.testing.assert_close(bend, -(amplitude * frequency**2 * phase.cos()).sum(1))
    both = torch.vmap(lambda s: cosine_sum(s * x.detach(), terms))(
        torch.tensor([1.0, 0.5]).double()
    )
    torch.testing.assert_close(both[1], (amplitude * (phase / 2).cos()).sum(1))


def test_staf_starts_with_standard_normal_features() -> None:
    phases = torch.linspace(0, 1000, 4001, dtype=F64)
    values = []
    for seed in range(300):
        activation = Staf(3.0, 5)
        activation.initialize(
            torch.empty(4, 4), torch.empty(4), False, torch.Generator().manual_seed(seed)
        )
        values.append(activation.double()(phases[seed * 10 : seed * 10 + 10]).detach())
    pooled = torch.cat(values)
    assert float(pooled.std()) == pytest.approx(1, abs=0.05)
    assert float((pooled**4).mean()) == pytest.approx(3, abs=0.6)


@pytest.mark.parametrize("name", ATOMS)
def test_atoms_are_bounded_activations(name: str) -> None:
    activation = ATOMS[name](8.0, 2)
    z = [torch.linspace(-2, 2, 101)] * activation.arity
    assert torch.isfinite(activation(*z)).all()
