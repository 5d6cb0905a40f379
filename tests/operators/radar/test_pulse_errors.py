"""Phases and ranges of pulses, against the geometry that they stand for."""

import math

import pytest
import torch
from cases.radar import NEAR, bistatic

import inverse_inr as ii
from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.operators import FMCW, Chirp, PhaseHistory, PulseErrors

F64 = torch.float64
TONES = torch.linspace(9e9, 10e9, 9, dtype=F64)
GRID = ii.Grid(NEAR, (4, 3, 2))
PULSES = 5
ROWS = torch.arange(PULSES)


def radar(shift: float = 0.0) -> PhaseHistory:
    geometry = bistatic(PULSES)
    return PhaseHistory(
        NEAR, geometry.referenced(geometry.reference_path + shift), TONES, points=GRID
    )


def scene() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(*GRID.shape, 1, dtype=torch.complex128, generator=generator)


def echoes(operator) -> torch.Tensor:
    return operator(ROWS)[1](scene())


def test_a_phase_turns_all_values_of_its_pulse():
    phases = torch.linspace(-3, 3, PULSES)
    turned = echoes(PulseErrors(radar(), phases))
    wanted = echoes(radar()) * torch.polar(torch.ones(PULSES), phases)[:, None]
    torch.testing.assert_close(turned, wanted.to(turned), rtol=1e-6, atol=1e-6)


def test_a_range_error_is_a_path_that_was_subtracted_wrongly():
    away = 0.004
    plain = radar()
    carrier = plain.geometry.sign * 4 * math.pi * float(TONES.mean()) / SPEED_OF_LIGHT * away
    errors = PulseErrors(plain, torch.full((PULSES,), carrier), torch.full((PULSES,), away))
    wanted = echoes(radar(-2 * away))
    torch.testing.assert_close(
        echoes(errors), wanted, rtol=2e-5, atol=2e-5 * float(wanted.abs().max())
    )


def test_echoes_are_corrected_and_phases_found_in_closed_form():
    true = torch.linspace(-2, 2.5, PULSES)
    measured = echoes(PulseErrors(radar(), true, 0.01 * true))
    errors = PulseErrors(radar(), None, 0.01 * true)
    errors.fit(echoes(radar()), measured, ROWS)
    torch.testing.assert_close(errors.phases.detach(), true, rtol=0, atol=1e-5)
    torch.testing.assert_close(errors.corrected(measured), echoes(radar()), rtol=1e-5, atol=1e-5)


def test_the_adjoint_passes_the_dot_test():
    operator = PulseErrors(radar(), torch.linspace(-3, 3, PULSES))
    forward = ii.as_linear_map(operator, GRID, dtype=torch.complex128)
    y = torch.randn(PULSES, 9, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    left = (y.conj() * forward(scene())).sum()
    right = (forward.adjoint(y).conj() * scene()).sum()
    torch.testing.assert_close(left, right, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((radar(), torch.zeros(4)), ValueError, r"phases has shape \(4,\); the radar has 5 pulses"),
        ((radar(), None, torch.zeros(6)), ValueError, r"ranges has shape \(6,\)"),
        ((radar(), torch.full((5,), math.nan)), ValueError, "phases"),
    ],
)
def test_errors_that_do_not_fit_the_pulses_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        PulseErrors(*arguments)


def test_a_radar_without_frequencies_has_no_range_errors():
    chirp = Chirp(8e9, 3e14, 5e6, 64)
    fmcw = FMCW(NEAR, bistatic(PULSES), chirp, points=GRID)
    with pytest.raises(TypeError, match="needs the frequencies of a PhaseHistory; FMCW has none"):
        PulseErrors(fmcw, None, torch.zeros(PULSES))
