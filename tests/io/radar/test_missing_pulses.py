"""A pulse or a frequency without data is left out, and said; the rest stays as it is."""

import pytest
import torch
from cases.radar import F64

from inverse_inr.io import PhaseData, without_dead_pulses

NAN = float("nan")


def phases() -> PhaseData:
    """Six pulses of eight frequencies, all good."""
    y = torch.randn(6, 8, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    place = torch.randn(6, 3, dtype=F64, generator=torch.Generator().manual_seed(1))
    f = torch.linspace(9e9, 9.7e9, 8, dtype=F64)
    return PhaseData(y, f, place, place + 1, torch.arange(6, dtype=F64), -1)


def test_good_pulses_stay():
    data = without_dead_pulses(phases())
    assert torch.equal(data.y, phases().y)
    assert not data.notes


@pytest.mark.parametrize("value", [NAN, complex(0, float("inf")), 0])
def test_dead_pulses_are_left_out_and_counted(value):
    data = phases()
    data.y[[1, 4]] = value
    left = without_dead_pulses(data)
    good = [0, 2, 3, 5]
    assert torch.equal(left.y, data.y[good])
    assert torch.equal(left.receivers, data.receivers[good])
    assert left.reference_path.tolist() == good
    assert left.notes["pulses left out"] == "2 of 6 (NaN, only zeros, or no place): 1, 4"


@pytest.mark.parametrize("field", ["transmitters", "receivers", "reference_path"])
def test_pulses_without_a_place_are_dead(field):
    data = phases()
    getattr(data, field)[3] = NAN
    assert len(without_dead_pulses(data).y) == 5


def test_one_bad_sample_makes_a_pulse_dead():
    data = phases()
    data.y[2, 5] = NAN
    assert without_dead_pulses(data).notes["pulses left out"].endswith(": 2")


@pytest.mark.parametrize("value", [NAN, 0])
def test_notches_of_all_pulses_are_no_dead_pulses(value):
    data = phases()
    data.y[:, 3:5] = value
    left = without_dead_pulses(data)
    assert torch.equal(left.y, data.y[:, [0, 1, 2, 5, 6, 7]])
    assert torch.equal(left.frequencies, data.frequencies[[0, 1, 2, 5, 6, 7]])
    assert left.notes["frequencies left out"].endswith(": 3, 4")


@pytest.mark.parametrize("where", [slice(None), (slice(None), 0)], ids=["all", "one of each"])
def test_nothing_left_is_refused(where):
    data = phases()
    data.y[where] = NAN
    data = data._replace(receivers=data.receivers * NAN)
    with pytest.raises(ValueError, match="Phase history"):
        without_dead_pulses(data)
