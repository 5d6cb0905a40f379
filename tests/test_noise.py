"""Noise models simulate what they fit: moments, densities, gradients, rows, draws, refusals."""

import math

import pytest
import torch
from torch import Tensor

from inverse_inr.fidelity import L2, at_rows, least_squares
from inverse_inr.noise import ComplexGaussian, Gamma, Gaussian, Noise, Poisson, Sensor, StudentT

F64 = torch.float64
MODELS = [
    Gaussian(0.3),
    ComplexGaussian(0.3),
    Poisson(200.0),
    Poisson(200.0, background=30.0),
    StudentT(0.3, degrees=10),
    Gamma(8.0, floor=0.1),
]
# the likelihood of one value is least near it, not at it: the variance follows the prediction
SENSORS = [Sensor(100.0, readout=3.0), Sensor(2048.0, readout=20.0, efficiency=0.4)]
COUNT = 200_000
MEAN = 0.7


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mean_of(noise: Noise, count: int = COUNT) -> Tensor:
    return torch.full((count,), MEAN, dtype=dtype_of(noise))


def dtype_of(noise: Noise | L2) -> torch.dtype:
    if isinstance(noise, ComplexGaussian):
        return torch.complex128
    return F64


def expected_measurement(noise: Noise | L2) -> float:
    if isinstance(noise, Poisson | Gamma):
        return float(noise.rate(torch.tensor(MEAN, dtype=F64)))
    return MEAN


def expected_variance(noise: Noise) -> float:
    if isinstance(noise, Poisson):
        return expected_measurement(noise)
    if isinstance(noise, Gamma):
        return 0.8**2 / 8
    if isinstance(noise, Sensor):  # binomial: N η (1 - η) of N = photons · mean / η arrivals
        photons, eta = float(noise.photons), float(noise.efficiency)
        return MEAN * (1 - eta) / photons + (float(noise.readout) / photons) ** 2
    if isinstance(noise, StudentT):
        return 0.09 * 10 / 8
    return 0.09


@pytest.mark.parametrize("noise", MODELS + SENSORS, ids=repr)
def test_draws_have_the_moments_of_their_model(noise: Noise) -> None:
    y = noise.sample(mean_of(noise), generator())
    variance = expected_variance(noise)
    assert abs(complex(y.mean()) - expected_measurement(noise)) < 5 * math.sqrt(variance / COUNT)
    assert float((y - y.mean()).abs().square().mean()) == pytest.approx(variance, rel=0.02)


@pytest.mark.parametrize("noise", MODELS + SENSORS, ids=repr)
def test_residuals_are_standardized(noise: Noise) -> None:
    mean = mean_of(noise)
    z = noise.standardized(mean, noise.sample(mean, generator(1)))
    assert float(z.abs().square().mean()) == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("noise", MODELS + SENSORS, ids=repr)
def test_likelihood_is_least_at_the_truth(noise: Noise) -> None:
    y = noise.sample(mean_of(noise), generator(2))
    sites = [float(noise(mean_of(noise) + shift, y)) for shift in (-0.1, -0.02, 0, 0.02, 0.1)]
    assert sites[0] > sites[1] > sites[2] < sites[3] < sites[4]


@pytest.mark.parametrize("noise", MODELS, ids=repr)
def test_gradient_vanishes_at_noise_free_measurements(noise: Noise) -> None:
    p = mean_of(noise, 4).requires_grad_()
    y = torch.full((4,), expected_measurement(noise), dtype=p.dtype)
    value = noise(p, y)
    assert float(value.detach()) == pytest.approx(0, abs=1e-12)
    (slope,) = torch.autograd.grad(value, p)
    torch.testing.assert_close(slope, torch.zeros_like(p))


@pytest.mark.parametrize(
    "noise", [Gaussian(0.3), Poisson(200.0), Poisson(200.0, 30.0), StudentT(0.3)], ids=repr
)
def test_likelihoods_have_exact_gradients(noise: Noise) -> None:
    p = torch.rand(6, dtype=F64, requires_grad=True)
    y = noise.sample(p.detach(), generator())
    torch.autograd.gradcheck(lambda q: noise(q, y), (p,))


def test_a_sensor_counts_whole_electrons_and_loses_at_most_all_of_them() -> None:
    """With read noise far below one electron, counts are whole and at most as many as arrived."""
    sensor = Sensor(100.0, readout=1e-9, efficiency=0.5)
    y = sensor.sample(torch.full((9999,), 0.02, dtype=F64), generator())
    assert (100 * y).round().unique().tolist() == [0, 1, 2, 3, 4]  # 2 of 4 arrivals on average
    torch.testing.assert_close(100 * y, (100 * y).round(), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("efficiency", "message"),
    [(1.0, r"efficiency=1\.0 must be below 1"), (-0.1, "efficiency must be positive")],
    ids=["one", "negative"],
)
def test_an_efficiency_outside_zero_to_one_is_refused(efficiency: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sensor(100.0, readout=1.0, efficiency=efficiency)


def test_gaussian_value_is_half_the_mean_square() -> None:
    p, y = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0])
    assert float(Gaussian(2.0)(p, y)) == pytest.approx((1 + 4) / 16)
    assert float(ComplexGaussian(2.0)(p * 1j, y * 1j)) == pytest.approx((1 + 4) / 8)


def test_student_t_is_its_density() -> None:
    r = torch.linspace(-5, 5, 11, dtype=F64)
    density = torch.distributions.StudentT(4.0, 0.0, 0.5)
    expected = (density.log_prob(torch.zeros((), dtype=F64)) - density.log_prob(r)).mean()
    torch.testing.assert_close(StudentT(0.5)(r, torch.zeros_like(r)), expected)


@pytest.mark.parametrize("background", [0.0, 5.0])
def test_poisson_is_its_density(background: float) -> None:
    p = torch.linspace(0, 3, 7, dtype=F64)
    noise = Poisson(100.0, background)
    y = torch.tensor([90.0, 80, 40, 3, 0, 7, 1], dtype=F64)
    best = torch.distributions.Poisson(y.clamp(min=1e-300)).log_prob(y)
    expected = (best - torch.distributions.Poisson(noise.rate(p)).log_prob(y)).mean()
    torch.testing.assert_close(noise(p, y), expected)


def test_half_the_deviance_is_about_one_half() -> None:
    noise = Poisson(1000.0)
    y = noise.sample(mean_of(noise), generator())
    assert float(noise(mean_of(noise), y)) == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("background", [0.0, 2.0, torch.tensor(0.0)], ids=repr)
@pytest.mark.parametrize("attenuation", [0.0, 3.0, 120.0])
def test_poisson_of_no_counts_is_finite(background: float | Tensor, attenuation: float) -> None:
    p = torch.full((3,), attenuation, requires_grad=True)
    noise = Poisson(50.0, background)
    y = torch.zeros(3)
    value = noise(p, y)
    assert float(value.detach()) == pytest.approx(float(noise.rate(p.detach())[0]))
    assert torch.autograd.grad(value, p)[0].isfinite().all()
    target, precision = noise.least_squares(y)
    assert target.isfinite().all()
    assert (precision > 0).all()


def test_gamma_is_its_density() -> None:
    """Half the deviance: the log-likelihood ratio to the best mean, which is y itself."""
    p = torch.linspace(0, 3, 7, dtype=F64)
    noise = Gamma(3.0, 0.2)
    y = torch.tensor([0.1, 0.5, 1.2, 0.9, 2.0, 4.0, 0.01], dtype=F64)
    best = torch.distributions.Gamma(3.0, 3.0 / y).log_prob(y)
    expected = (best - torch.distributions.Gamma(3.0, 3.0 / (p + 0.2)).log_prob(y)).mean()
    torch.testing.assert_close(noise(p, y), expected)
    many = Gamma(100.0, 0.1)
    drawn = many.sample(mean_of(many), generator())
    assert float(many(mean_of(many), drawn)) == pytest.approx(0.5, rel=0.02)


def test_gamma_in_shadow_is_finite() -> None:
    p = torch.tensor([0.0, -0.5, 1.0], requires_grad=True)
    value = Gamma(1.0, 0.01)(p, torch.tensor([0.0, 0.02, 0.0]))
    assert torch.autograd.grad(value, p)[0].isfinite().all()
    assert value.isfinite()


def test_complex_noise_is_circular() -> None:
    n = ComplexGaussian(0.4).sample(torch.zeros(COUNT, dtype=F64), generator())
    assert n.dtype == torch.complex128
    assert float(n.real.var()) == pytest.approx(0.08, rel=0.02)
    assert float(n.imag.var()) == pytest.approx(0.08, rel=0.02)
    assert abs(float((n.real * n.imag).mean())) < 0.001


def test_gaussian_of_complex_measurements_is_refused() -> None:
    with pytest.raises(TypeError, match="ComplexGaussian"):
        Gaussian(1.0)(torch.tensor([1 + 2j, 0j]), torch.zeros(2, dtype=torch.complex64))


ROWWISE = [
    (Gaussian, {"sigma": torch.tensor([0.1, 0.2, 0.4])}),
    (ComplexGaussian, {"sigma": torch.tensor([0.1, 0.2, 0.4])}),
    (
        Poisson,
        {"photons": torch.tensor([1e2, 1e3, 1e4]), "background": torch.tensor([1.0, 0.0, 5.0])},
    ),
    (StudentT, {"scale": torch.tensor([0.1, 0.2, 0.4]), "degrees": 3.0}),
    (Gamma, {"looks": torch.tensor([1.0, 4.0, 9.0]), "floor": torch.tensor([0.1, 0.2, 0.4])}),
]


def of_row(options: dict, row: int) -> dict:
    """The options of a model for one row alone: its number out of each tensor."""
    chosen = dict(options)
    for name, value in options.items():
        if isinstance(value, Tensor):
            chosen[name] = float(value[row])
    return chosen


@pytest.mark.parametrize(("model", "options"), ROWWISE, ids=[m.__name__ for m, _ in ROWWISE])
@pytest.mark.parametrize("trailing", [(), (2,)])
def test_each_row_has_parameters_of_its_own(
    model: type[Noise], options: dict, trailing: tuple[int, ...]
) -> None:
    """The whole is the mean over its rows, each with its own number; `at` selects in any order."""
    noise = model(**options)
    rows = torch.tensor([2, 0])
    p = torch.rand(3, *trailing, generator=generator())
    y = noise.sample(p, generator(1))
    single = [model(**of_row(options, i))(p[i : i + 1], y[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(noise(p, y), torch.stack(single).mean())
    torch.testing.assert_close(at_rows(noise, rows)(p[rows], y[rows]), (single[0] + single[2]) / 2)
    for whole, part in zip(
        noise.least_squares(y), noise.at(rows).least_squares(y[rows]), strict=True
    ):
        assert whole.shape == y.shape
        torch.testing.assert_close(whole[rows], part)
    assert at_rows(L2(), rows) == L2()


@pytest.mark.parametrize("noise", MODELS, ids=repr)
def test_sampling_is_reproducible_and_leaves_the_default_generator(noise: Noise) -> None:
    state = torch.get_rng_state()
    a, b, c = (noise.sample(mean_of(noise, 50), generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("noise", [*MODELS[:4], L2()], ids=repr)
def test_least_squares_is_the_curvature_at_the_truth(noise: Noise | L2) -> None:
    """½ mean precision |r|² and the fidelity agree to second order, so that one λ suits both."""
    y = torch.full((1,), expected_measurement(noise), dtype=dtype_of(noise))
    target, precision = least_squares(noise, y)
    torch.testing.assert_close(target, torch.full_like(y, MEAN))
    step = 1e-4
    bend = 2 * float(noise(target + step, y) - noise(target, y)) / step**2
    weight = float(precision)
    # the precision counts background as signal, as a classical method would
    if isinstance(noise, Poisson) and noise.background:
        weight *= weight / float(y)
    assert bend == pytest.approx(weight, rel=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian(0.0), "Gaussian: sigma must be positive"),
        (lambda: Gaussian(math.nan), "sigma"),
        (lambda: Gaussian(torch.tensor([1.0, -1.0])), "sigma"),
        (lambda: ComplexGaussian(math.inf), "ComplexGaussian: sigma"),
        (lambda: Poisson(-1.0), "photons"),
        (lambda: Poisson(1e4, background=-1.0), "background"),
        (lambda: Poisson(1e4, background=math.nan), "background"),
        (lambda: StudentT(1.0, degrees=0), "degrees"),
        (lambda: StudentT(1.0, degrees=2.5).sample(torch.zeros(2)), "whole degrees"),
        (
            lambda: StudentT(1.0, degrees=2).standardized(torch.zeros(2), torch.zeros(2)),
            "no variance",
        ),
        (lambda: Gamma(0.0, 0.1), "Gamma: looks must be positive"),
        (lambda: Gamma(1.0, 0.0), "Gamma: floor must be positive"),
    ],
    ids=[
        "sigma zero",
        "sigma NaN",
        "one sigma negative",
        "sigma infinite",
        "photons negative",
        "background negative",
        "background NaN",
        "no degrees",
        "fractional degrees",
        "no variance",
        "no looks",
        "floor zero",
    ],
)
def test_impossible_parameters_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
