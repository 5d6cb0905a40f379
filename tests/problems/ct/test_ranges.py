"""Arguments that nobody means end in our own error, by name, before any work begins."""

import inspect
import math
import time
import traceback
from pathlib import Path
from typing import Any

import pytest
import torch
from cases.scan import half_turn, sinogram, write_scan

from inverse_inr import Problem
from inverse_inr.memory import OutOfMemoryError
from inverse_inr.problems.ct import ct, ct_scan, ct_sinogram

ROOT = str(Path(__file__).parents[3])
ODD = (-3, 0, math.nan, math.inf, 1e30, 10**12, 2**70, "x", True, [1], (), object(), b"x", -0.5)
NAMES = [
    (function, name)
    for function in (ct, ct_scan, ct_sinogram)
    for name in inspect.signature(function).parameters
]


def arguments(function: Any, folder: Path) -> dict[str, Any]:
    """Arguments of a call that works."""
    if function is ct:
        return {"phantom": "shepp_logan", "size": 16, "views": 9}
    if function is ct_scan:
        return {"path": str(write_scan(folder / "a.h5")), "center": 0.0}
    return {"path": sinogram(half_turn()), "angles": half_turn(), "center": 0.0}


@pytest.mark.parametrize(("function", "name"), NAMES, ids=lambda v: getattr(v, "__name__", v))
def test_an_odd_argument_gives_a_problem_or_our_own_error(tmp_path: Path, function: Any, name: str):
    good = arguments(function, tmp_path)
    began = time.perf_counter()
    refused = [error for value in ODD if (error := _error(function, {**good, name: value}))]
    assert len(refused) >= len(ODD) // 2
    for error in refused:
        assert traceback.extract_tb(error.__traceback__)[-1].filename.startswith(ROOT), error
        assert len(str(error)) > 20
    assert time.perf_counter() - began < 30


def _error(function: Any, keywords: dict[str, Any]) -> Exception | None:
    try:
        assert isinstance(function(**keywords), Problem)
    except (ValueError, TypeError, FileNotFoundError) as error:
        return error
    return None


@pytest.mark.parametrize("name", ["size", "views", "detectors"])
def test_a_simulation_that_does_not_fit_the_memory_is_refused_at_once(name: str):
    began = time.perf_counter()
    with pytest.raises(OutOfMemoryError, match=r"would fit"):
        ct(**{name: 10**11})
    assert time.perf_counter() - began < 1


def test_a_slice_of_a_picture_is_refused():
    with pytest.raises(ValueError, match="slice=3 is of a volume"):
        ct(slice=3)


def test_measuring_a_phantom_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    whole = ct(size=24, views=9).terms[0].y
    monkeypatch.setattr("inverse_inr.problems.ct.simulated.ROWS_AT_ONCE", 50)
    assert torch.allclose(ct(size=24, views=9).terms[0].y, whole, atol=1e-6)
