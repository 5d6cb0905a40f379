"""Beams of many energies, scatter, blur and afterglow: conformance and closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr.operators import ParallelBeam, psf
from inverse_inr.operators.ct.beam.detector import Afterglow, ScintillatorBlur
from inverse_inr.operators.ct.beam.materials import (
    BONE,
    ELECTRON_RADIUS,
    IRON,
    MATERIALS,
    TITANIUM,
    WATER,
    Material,
    attenuation,
    klein_nishina,
    phase_per_length,
)
from inverse_inr.operators.ct.beam.polychromatic import Polychromatic, mixture
from inverse_inr.operators.ct.beam.scatter import Scatter
from inverse_inr.operators.ct.beam.spectrum import Spectrum, kramers, read_spectrum
from inverse_inr.testing import OperatorTests

F64 = torch.float64
BOX = ii.Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
TWO_LINES = Spectrum(torch.tensor([40.0, 80.0]), torch.tensor([1.0, 3.0]))


def beam(views: int = 5, detectors: int = 8) -> ParallelBeam:
    angles = torch.arange(views, dtype=F64) * math.pi / views
    return ParallelBeam(BOX, angles, detectors, samples=16)


def scattered(degrees: tuple[int, int] | None = None) -> Scatter:
    operator = Scatter(beam(), degrees)
    with torch.no_grad():
        draws = torch.randn(operator.coefficients.shape, generator=torch.Generator().manual_seed(0))
        operator.coefficients.add_(0.3 * draws)
    return operator


class TestAmounts(OperatorTests):
    linear = False
    channels = 2

    def make(self) -> Polychromatic:
        return Polychromatic(beam(), TWO_LINES, [WATER, BONE], unknown_filter=WATER)


class TestOneField(OperatorTests):
    linear = False

    def make(self) -> Polychromatic:
        return Polychromatic(beam(), TWO_LINES, [WATER, BONE, IRON], reference=70.0, gather=2)


class TestOneFieldOnGrid(OperatorTests):
    linear = False

    def make(self) -> Polychromatic:
        operator = Polychromatic(beam(), TWO_LINES, [WATER, BONE], reference=70.0, gather=2)
        return operator.on(ii.Grid(BOX, (9, 8)))


class TestScatter(OperatorTests):
    linear = False

    def make(self) -> Scatter:
        return scattered()


class TestBlur(OperatorTests):
    linear = False

    def make(self) -> ScintillatorBlur:
        width = torch.nn.Parameter(torch.tensor(0.1, dtype=F64))
        return ScintillatorBlur(beam(), psf.Gaussian(width, 1), 0.25)


class TestAfterglow(OperatorTests):
    linear = False

    def make(self) -> Afterglow:
        return Afterglow(beam(), 0.1, 0.6, memory=3)


class TestAfterglowOnGrid(OperatorTests):
    linear = False

    def make(self) -> Afterglow:
        return Afterglow(Scatter(beam()), 0.1, 0.6, memory=3).on(ii.Grid(BOX, (9, 8)))


def constant(*values: float):
    def field(points: Tensor) -> Tensor:
        return points.new_tensor(values).expand(*points.shape[:-1], len(values))

    return field


def test_klein_nishina_tends_to_thomson_and_has_its_value_at_the_rest_energy():
    thomson = 8 * math.pi / 3 * ELECTRON_RADIUS**2
    assert float(klein_nishina(torch.tensor(0.01, dtype=F64))) == pytest.approx(thomson, rel=1e-4)
    # at a = 1: 2π r² (2 (4/3 - log 3) + log 3 / 2 - 4/9)
    exact = 2 * math.pi * ELECTRON_RADIUS**2
    exact *= 2 * (4 / 3 - math.log(3)) + math.log(3) / 2 - 4 / 9
    found = float(klein_nishina(torch.tensor(510.99895, dtype=F64)))
    assert found == pytest.approx(exact, rel=1e-12)


def test_the_law_gives_published_attenuation_of_water():
    """NIST: 0.3756, 0.2059 and 0.1707 cm²/g at 30, 60 and 100 keV."""
    found = attenuation(WATER, torch.tensor([30.0, 60.0, 100.0]))
    published = torch.tensor([0.3756, 0.2059, 0.1707], dtype=F64)
    torch.testing.assert_close(found, published, rtol=0.025, atol=0)


@pytest.mark.parametrize("name", MATERIALS)
def test_the_law_is_close_to_tables(name: str):
    pytest.importorskip("xraydb", reason="xraydb (extra xray) is not installed")
    energies = torch.linspace(25, 130, 30, dtype=F64)
    law, table = (attenuation(MATERIALS[name], energies, t) for t in ("analytic", "xraydb"))
    torch.testing.assert_close(law, table, rtol=0.045, atol=0)


def test_water_shifts_the_phase_by_its_electrons():
    """δ of water at 20 keV is 5.76e-7."""
    k = 2 * math.pi / (1e-8 * 12.398419843 / 20.0)  # 1/cm
    assert phase_per_length(WATER, 20.0) / k == pytest.approx(5.76e-7, rel=2e-3)


def test_two_lines_through_two_materials_are_the_sum_of_two_exponentials():
    operator = Polychromatic(beam(1, 7), TWO_LINES, [WATER, BONE]).double()
    middle = torch.tensor([3])  # straight through the box: 2 cm
    p = float(ii.predict(operator, constant(0.7, 0.2), middle))
    energies = torch.tensor([40.0, 80.0])
    mu = 0.7 * attenuation(WATER, energies) + 0.2 * attenuation(BONE, energies)
    low, high = torch.exp(-2 * mu).tolist()
    assert p == pytest.approx(-math.log(0.25 * low + 0.75 * high), rel=1e-6)


def test_one_energy_is_a_line_integral():
    line = Spectrum(torch.tensor([70.0]), torch.tensor([5.0]))
    operator = Polychromatic(beam(), line, [WATER, BONE], reference=70.0).double()
    field = constant(0.3)
    p = ii.predict(operator, field)
    torch.testing.assert_close(p, ii.predict(beam(), field), rtol=1e-6, atol=1e-6)


def test_a_beam_hardens_with_depth():
    """The attenuation per length falls from that of the mean beam to that of the hardest line."""
    spectrum = kramers(120.0)
    operator = Polychromatic(beam(), spectrum, [WATER]).double()
    depth = torch.tensor([1e-6, 1.0, 10.0, 1000.0], dtype=F64)
    slope = operator.logged(depth[:, None, None]).squeeze(-1) / depth
    mean = (spectrum.weights @ attenuation(WATER, spectrum.energies)).item()
    assert slope[0].item() == pytest.approx(mean, rel=1e-4)
    assert bool((slope.diff() < 0).all())
    assert slope[-1].item() == pytest.approx(operator.table[0].min().item(), rel=0.05)


def test_bins_are_averaged_as_intensities():
    inner = beam(3, 8)
    operator = Polychromatic(inner, TWO_LINES, [WATER], gather=2).double()
    single = Polychromatic(inner, TWO_LINES, [WATER]).double()

    def edge(points: Tensor) -> Tensor:
        return 20.0 * (points[..., :1] + 0.3 * points[..., 1:] > 0.1).to(points.dtype)

    light = torch.exp(-ii.predict(single, edge)).reshape(3, 4, 2).mean(-1)
    torch.testing.assert_close(ii.predict(operator, edge), -light.log().flatten())


def test_a_mixture_has_the_attenuation_that_it_stands_for():
    knots = torch.tensor([0.2, 0.6, 3.0], dtype=F64)
    values = torch.tensor([-0.1, 0.0, 0.1, 0.2, 0.5, 0.6, 1.0, 3.0, 6.0], dtype=F64)
    amounts = mixture(values, knots)
    torch.testing.assert_close(amounts @ knots, values)
    torch.testing.assert_close(amounts[4], torch.tensor([0.25, 0.75, 0.0], dtype=F64))
    torch.testing.assert_close(amounts[-1], torch.tensor([0.0, 0.0, 2.0], dtype=F64))


def test_a_filter_that_is_learnt_is_a_filter():
    thick = Polychromatic(beam(), TWO_LINES, [WATER], unknown_filter=WATER).double()
    with torch.no_grad():
        assert thick.thickness is not None
        thick.thickness.fill_(1.5)
    behind = Polychromatic(beam(), TWO_LINES.behind(WATER, 1.5), [WATER]).double()
    p = ii.predict(thick, constant(1.0)).detach()
    torch.testing.assert_close(p, ii.predict(behind, constant(1.0)), rtol=1e-6, atol=1e-6)


def test_scatter_is_a_product_of_legendre_polynomials():
    operator = scattered((1, 2)).double()
    c = operator.coefficients.detach()
    found = operator.log_scatter(torch.arange(len(operator))).detach().reshape(5, 8)
    t, s = torch.linspace(-1, 1, 5, dtype=F64), torch.linspace(-1, 1, 8, dtype=F64)
    over_views = torch.stack([torch.ones_like(t), t])
    over_bins = torch.stack([torch.ones_like(s), s, 1.5 * s**2 - 0.5])
    expected = math.log(0.01) + over_views.T @ c @ over_bins
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_scatter_bounds_what_is_measured_behind_metal():
    p = ii.predict(Scatter(beam(), start=0.05).double(), constant(1e3)).detach()
    torch.testing.assert_close(p, torch.full_like(p, -math.log(0.05)), rtol=1e-6, atol=1e-6)


def test_a_gaussian_blur_widens_a_gaussian_shadow():
    """A shadow exp(-x²/2a²) behind a blur of width b is one of width √(a² + b²)."""
    bins, pitch, a, b = 129, 0.05, 0.3, 0.2
    x = pitch * (torch.arange(bins, dtype=F64) - 64)
    light = 1 - 0.5 * torch.exp(-(x**2) / (2 * a**2))
    operator = ScintillatorBlur(beam(1, bins), psf.Gaussian(b, 1), pitch).double()
    seen = torch.exp(-operator.detect(-light.log()[None, None], torch.zeros(1)))[0]
    wide = math.hypot(a, b)
    expected = 1 - 0.5 * a / wide * torch.exp(-(x**2) / (2 * wide**2))
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-6)


def test_a_flash_glows_on_by_powers_of_the_decay():
    views, a, d = 30, 0.2, 0.5
    light = torch.full((views, 2), 0.1, dtype=F64)
    light[10] = 1.1
    operator = Afterglow(beam(views, 2), a, d, memory=12).double()
    index = (torch.arange(views)[:, None] - torch.arange(13)).clamp(min=0)
    seen = torch.exp(-operator.detect(-light.log()[index], index[:, 0])).detach()[:, 0]
    assert seen[10].item() == pytest.approx(0.1 + (1 - a), rel=1e-6)
    late = seen[11:20] - 0.1
    expected = a * (1 - d) * d ** torch.arange(9, dtype=F64)
    torch.testing.assert_close(late, expected, rtol=1e-3, atol=1e-6)
    assert seen.sum().item() == pytest.approx(light[:, 0].sum().item(), rel=1e-6)


def test_kramers_spectrum_and_its_filters():
    bare = kramers(100.0, {}, bins=90, detector="counting")
    ratio = bare.weights[0] / bare.weights[40]
    e = bare.energies
    assert ratio.item() == pytest.approx(((100 / e[0] - 1) / (100 / e[40] - 1)).item(), rel=1e-9)
    assert kramers(100.0, {"aluminium": 1.0}).mean_energy > kramers(100.0).mean_energy


def test_a_spectrum_comes_from_a_file(tmp_path):
    path = tmp_path / "tube.txt"
    path.write_text("# keV photons\n30, 1\n60, 2\n\n")
    spectrum = read_spectrum(path, "integrating")
    np.testing.assert_allclose(spectrum.weights.numpy(), [0.2, 0.8])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Material("tea", 1.0, {"H": 0.5}), "add up to 1"),
        (lambda: attenuation(Material("lead", 11.3, {"Pb": 1.0}), torch.ones(1)), "xraydb"),
        (lambda: Polychromatic(beam(), TWO_LINES, []), "materials is empty"),
        (lambda: Polychromatic(beam(), TWO_LINES, [WATER], gather=3), "gather=3"),
        (
            lambda: Polychromatic(beam(), TWO_LINES, [TITANIUM, WATER], reference=60.0),
            "order of their attenuation",
        ),
        (lambda: kramers(100.0, {"tea": 1.0}), "tea"),
        (lambda: Scatter(beam(), (1, 2, 3)), "3 degrees"),
        (lambda: ScintillatorBlur(beam(), psf.Gaussian(0.1, 2)), "2 dimensions"),
    ],
)
def test_what_is_refused(call, message: str):
    with pytest.raises(ValueError, match=message):
        call()
