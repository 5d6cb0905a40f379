"""What the ends of the detector say about the numbers between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cases.scan import AIR, OFFSET, counts_of, flats, half_turn, sinogram, write_scan

from inverse_inr.problems.ct import ct_scan, ct_sinogram

LINE = sinogram(half_turn())


@pytest.mark.parametrize(
    ("numbers", "values", "fact"),
    [
        ((-LINE).exp(), "line integrals", "air, measure 1, more than the object"),
        (AIR * (-LINE).exp(), "line integrals", "values='transmissions' or 'counts'"),
        (LINE, "transmissions", "Line integrals\\?"),
        (torch.zeros_like(LINE), "line integrals", "all line integrals are 0"),
        (LINE + 0j, "line integrals", "expected real numbers"),
    ],
)
def test_numbers_of_another_kind_are_refused(numbers: torch.Tensor, values: str, fact: str) -> None:
    with pytest.raises(ValueError, match=fact):
        ct_sinogram(numbers, angles=half_turn(), values=values)  # type: ignore[arg-type]


def test_line_integrals_of_the_wrong_sign_are_noted() -> None:
    assert "negative" in str(ct_sinogram(-LINE, angles=half_turn()).notes["sign"])
    assert "sign" not in ct_sinogram(LINE, angles=half_turn()).notes


@pytest.mark.parametrize(
    ("factor", "fact"),
    [
        (0.5, "show 50% of the flat field"),
        (1.5, "brighter than the flat field"),
        (np.linspace(1, 0.7, 90)[:, None, None], "changes by -2"),
    ],
)
def test_a_beam_unlike_the_flat_field_is_noted(tmp_path: Path, factor: object, fact: str) -> None:
    counts = (counts_of(half_turn()) - OFFSET) * np.asarray(factor) + OFFSET
    path = write_scan(tmp_path / "a.h5", data=counts)
    assert fact in str(ct_scan(str(path), raster=True, center=0.0).notes["beam"])
    scaled = ct_scan(str(path), raster=True, center=0.0, air=6)
    assert "beam" not in scaled.notes


def test_a_beam_like_the_flat_field_needs_no_note(tmp_path: Path) -> None:
    path = write_scan(tmp_path / "a.h5")
    assert "beam" not in ct_scan(str(path), raster=True, center=0.0).notes


@pytest.mark.parametrize("everything", [False, True])
def test_unsigned_counts_read_as_signed_are_refused(tmp_path: Path, everything: bool) -> None:
    counts = counts_of(half_turn()) * 2.2
    flat = flats() * 2.2
    wrapped = np.where(counts > 32767, counts - 65536, counts).astype(np.int32)
    parts: dict[str, np.ndarray] = {"data": wrapped, "data_white": flat.astype(np.int32)}
    if everything:
        parts["data_white"] = np.where(flat > 32767, flat - 65536, flat).astype(np.int32)
    path = write_scan(tmp_path / "a.h5", **parts)
    with pytest.raises(ValueError, match=r"read as signed|swapped"):
        ct_scan(str(path), raster=True, center=0.0)


def test_an_overexposed_scan_is_refused_as_such(tmp_path: Path) -> None:
    full = np.full((90, 2, 72), 65535.0)
    path = write_scan(tmp_path / "a.h5", data=full, data_white=full[:10])
    with pytest.raises(ValueError, match="overexposed"):
        ct_scan(str(path), raster=True, center=0.0)


def test_angles_that_the_views_contradict_are_noted_beside_a_given_centre() -> None:
    right = ct_sinogram(LINE, angles=half_turn(), center=0.0)
    assert "angles, doubtful" not in right.notes
    wrong = ct_sinogram(LINE, angles=2 * half_turn(), center=0.0)
    assert "half of these angles" in str(wrong.notes["angles, doubtful"])


def test_angles_that_the_views_contradict_are_refused_where_the_centre_is_sought() -> None:
    with pytest.raises(ValueError, match="half of these angles"):
        ct_sinogram(LINE, angles=2 * half_turn())
