"""The empirical line on generated panels: exact, and its uncertainty against repetitions."""

import pytest
import torch

from inverse_inr.problems.spectral.pushbroom.reflectance import empirical_line

BANDS = 5
GAIN = torch.linspace(20, 60, BANDS, dtype=torch.float64)
OFFSET = torch.linspace(8, 1, BANDS, dtype=torch.float64)
PANELS = torch.tensor([0.03, 0.12, 0.36, 0.56], dtype=torch.float64)


def radiance(reflectance: torch.Tensor) -> torch.Tensor:
    return reflectance[..., None] * GAIN + OFFSET


def test_a_line_through_exact_panels_is_exact():
    for count in (2, 4):
        line = empirical_line(radiance(PANELS[:count]), PANELS[:count])
        assert torch.allclose(line.gain, GAIN)
        assert torch.allclose(line.offset, OFFSET)
        assert line.residual.abs().max() < 1e-12
        scene = torch.rand(3, 4, dtype=torch.float64)
        found = line.reflectance(radiance(scene))
        assert torch.allclose(found, scene[..., None].expand(-1, -1, BANDS))
    assert torch.isnan(empirical_line(radiance(PANELS[:2]), PANELS[:2]).deviation).all()


def test_panels_may_have_spectra():
    spectra = torch.rand(3, BANDS, dtype=torch.float64)
    line = empirical_line(spectra * GAIN + OFFSET, spectra)
    assert torch.allclose(line.gain, GAIN)
    assert torch.allclose(line.offset, OFFSET)


def test_the_stated_uncertainty_is_the_spread_of_repetitions():
    generator = torch.Generator().manual_seed(0)
    truth = torch.tensor([0.05, 0.8], dtype=torch.float64)
    found, said, deviations = [], [], []
    for _ in range(800):
        noise = 0.5 * torch.randn(4, BANDS, generator=generator, dtype=torch.float64)
        line = empirical_line(radiance(PANELS) + noise, PANELS)
        found.append(line.reflectance(radiance(truth)))
        said.append(line.uncertainty(radiance(truth)).square())
        deviations.append(line.deviation.square())
    spread = torch.stack(found).std(0)
    # 800 repetitions tell a deviation to 2.5 %; two degrees of freedom tell each variance badly
    assert torch.allclose(torch.stack(said).mean(0).sqrt(), spread, rtol=0.12)
    assert torch.allclose(
        torch.stack(deviations).mean(0).sqrt(), torch.tensor(0.5, dtype=torch.float64), rtol=0.08
    )


@pytest.mark.parametrize(
    ("seen", "known", "message"),
    [
        (torch.rand(1, 5), torch.rand(1), "two panels or more"),
        (torch.rand(3, 5), torch.rand(3, 4), "must both be"),
        (torch.rand(3, 5), torch.full((3,), 0.5), "a dark and a bright one"),
        (torch.full((3, 5), torch.nan), torch.rand(3), "radiance"),
    ],
    ids=["one panel", "shapes", "alike", "NaN"],
)
def test_what_determines_no_line_is_refused(seen: torch.Tensor, known: torch.Tensor, message: str):
    with pytest.raises(ValueError, match=message):
        empirical_line(seen, known)


def test_bands_come_last():
    line = empirical_line(radiance(PANELS), PANELS)
    with pytest.raises(ValueError, match="Bands come last"):
        line.reflectance(torch.rand(BANDS, 4))
