"""Settings of the k-space problems, and of their file, that are out of range are refused."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases.mrd import coil_images, kspace_of

from inverse_inr.io import read_kspace
from inverse_inr.problems.kspace import kspace, kspace_scan
from inverse_inr.problems.kspace.simulated import sense, tv_sense

SIMULATED = {
    "size": [0, -3, 2.5, "32"],
    "coils": [0, "4"],
    "spokes": [0, -1],
    "acceleration": [0.0, -2.0, math.nan, math.inf],
    "calibration": [-1, 1.5],
    "noise_level": [0.0, -0.1, math.nan, "low"],
    "sampling": ["lnes", 3],
    "maps": ["espirt"],
    "phase": ["coil"],
    "rays": [1, "yes"],
    "seed": [-1, 1.5],
}
MEASURED = {
    "slice": [1.0, "1"],
    "contrast": ["0", True],
    "cardiac_phase": [0.5],
    "coil_axis": [0.0],
    "axes": [3],
    "acceleration": [0.0, -1.0, math.nan],
    "hold_out": [0.0, 1.0, -0.1, math.nan],
    "whiten": ["yes", True],
    "sigma": ["0.1", -1.0, math.nan, math.inf],
    "finer": [0, -1, 1.5],
    "weight": [0.0, -1.0, math.inf],
    "noise_scan": [3],
    "seed": [-1],
}


def calls(table: dict[str, list[Any]]) -> list[tuple[str, Any]]:
    return [(name, value) for name, values in table.items() for value in values]


@pytest.mark.parametrize(("name", "value"), calls(SIMULATED))
def test_a_simulation_refuses_settings_out_of_range(name: str, value: Any):
    with pytest.raises((TypeError, ValueError), match=f"kspace: {name}="):
        kspace(**{name: value})


@pytest.mark.parametrize(("name", "value"), calls(MEASURED))
def test_a_scan_refuses_settings_out_of_range(tmp_path: Path, name: str, value: Any):
    np.save(tmp_path / "a.npy", kspace_of(coil_images()))
    with pytest.raises((TypeError, ValueError), match=f"kspace_scan: {name}="):
        kspace_scan(str(tmp_path / "a.npy"), **{name: value})


@pytest.mark.parametrize("value", [1.5, "1", True, [0]])
def test_a_reader_refuses_a_counter_of_another_type(tmp_path: Path, value: Any):
    np.save(tmp_path / "a.npy", kspace_of(coil_images()))
    with pytest.raises(TypeError, match="read_kspace: slice="):
        read_kspace(tmp_path / "a.npy", slice=value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: sense(p, 0), "sense: iterations=0"),
        (lambda p: sense(3), "sense: problem=3"),
        (lambda p: tv_sense(p, -1.0), "tv_sense: weight=-1"),
        (lambda p: tv_sense(p, iterations=0), "tv_sense: iterations=0"),
    ],
)
def test_classical_methods_refuse_settings_out_of_range(call, message: str):
    problem = kspace(size=24, calibration=14, coils=3)
    with pytest.raises((TypeError, ValueError), match=message):
        call(problem)
