"""What no attenuation explains is masked, by kind; what one explains is not."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases.scan import (
    AIR,
    BINS,
    OFFSET,
    counts_of,
    flats,
    half_turn,
    relative_error,
    sinogram,
    write_scan,
)
from torch import Tensor

from inverse_inr import baselines
from inverse_inr.problems.ct import ct_scan
from inverse_inr.problems.ct.masking import Masks, masks_of_counts, masks_of_integrals

ANGLES = half_turn()


def masks(counts: Tensor, flat: float = AIR, ceiling: float = 65535.0) -> Masks:
    return masks_of_counts(
        counts,
        torch.full((1, counts.shape[1]), flat),
        torch.full((1, counts.shape[1]), OFFSET),
        1.0,
        ceiling,
        half_turn(len(counts)),
    )


def clean() -> Tensor:
    return torch.from_numpy(counts_of(ANGLES, rows=1)[:, 0].copy())


def zingers(counts: Tensor) -> None:
    view = torch.arange(30) * 3
    counts[view, (7 * view) % BINS] = 3 * AIR


def hot(counts: Tensor) -> None:
    counts[:, 40] += 0.4 * AIR


def hot_in_the_middle(counts: Tensor) -> None:
    """It never sees air, so that it is never brighter than the beam."""
    counts[:, 36] += 0.3 * AIR


def clipped(counts: Tensor) -> None:
    counts[10:14, 30] = 65535


def stuck(counts: Tensor) -> None:
    counts[:, 33] = 0.5 * AIR


def dark_views(counts: Tensor) -> None:
    counts[20:23] = torch.poisson(torch.full((3, BINS), OFFSET), torch.Generator().manual_seed(0))


def dead(counts: Tensor) -> None:
    counts[:, 25] = 0


def lost(counts: Tensor) -> None:
    counts[3, 4] = math.nan
    counts[3, 5] = math.inf


@pytest.mark.parametrize(
    ("spoil", "kind", "number"),
    [
        (zingers, "brighter than the beam", 30),
        (clipped, "saturated", 4),
        (stuck, "in stuck pixels", 90),
        (dark_views, "in views without light", 3 * BINS),
        (dead, "at or below the dark field", 90),
        (lost, "not finite", 2),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_kind_is_found_and_nothing_else(spoil: Any, kind: str, number: int):
    counts = clean()
    spoil(counts)
    assert masks(counts).kinds == {kind: number}


@pytest.mark.parametrize(("spoil", "pixel"), [(hot, 40), (hot_in_the_middle, 36)])
def test_a_hot_pixel_is_masked_in_all_views(spoil: Any, pixel: int):
    counts = clean()
    spoil(counts)
    found = masks(counts)
    assert found.bad[:, pixel].all()
    assert int(found.bad.sum()) == 90
    assert found.kinds["in hot pixels"] > 0


def test_a_tube_about_the_axis_is_no_row_of_hot_pixels():
    """Its walls, and the gap between two of them, are seen by the same pixels in every view."""
    s = torch.arange(BINS * 8) / 8 - BINS / 2 + 1 / 16
    for radii in ((30.0, 28.8), (30.0, 29.0, 28.0, 27.0), (10.0, 9.0)):
        line = sum(
            (-1) ** k * 0.3 * 2 * (r**2 - s**2).clamp(min=0).sqrt() for k, r in enumerate(radii)
        )
        assert isinstance(line, Tensor)
        rate = AIR * torch.exp(-line.unflatten(0, (BINS, 8)).mean(1)).expand(90, -1)
        counts = torch.poisson(rate, torch.Generator().manual_seed(0)) + OFFSET
        assert "in hot pixels" not in masks(counts).kinds


@pytest.mark.parametrize("wide", [1, 2, 3])
def test_a_zinger_in_the_shadow_is_told_by_its_neighbours(wide: int):
    """0.05 of the beam, and 0.8 in one view: an attenuation explains both, the others do not."""
    angles = half_turn()
    rate = AIR * torch.exp(-2.9 * sinogram(angles))
    counts = torch.poisson(rate.float(), torch.Generator().manual_seed(0)) + OFFSET
    assert float((counts[50, 34] - OFFSET) / AIR) < 0.06
    counts[50, 34 : 34 + wide] = 0.8 * AIR
    found = masks(counts)
    assert found.kinds == {"unlike their neighbours": wide}
    assert found.bad[50, 34 : 34 + wide].all()


SMOOTH = ((0.0, 0.0, 26.0, 0.02),)
METAL = ((0, 0, 26.0, 0.02), (12.0, 6.0, 3.0, 1.0), (-14.0, 8.0, 0.5, 5.0), (-13.0, 3.0, 0.4, 5.0))
GAP = ((0, 0, 26.0, 0.02), (8.0, 0, 6.0, 0.4), (8.0, 12.3, 6.0, 0.4))
GRAINS = tuple(
    (24 * math.sqrt(k / 50) * math.cos(2.4 * k), 24 * math.sqrt(k / 50) * math.sin(2.4 * k), r, 3.0)
    for k, r in zip(range(50), [0.4, 0.8, 1.2] * 17, strict=False)
)


@pytest.mark.parametrize("views", [40, 90, 360])
@pytest.mark.parametrize("air", [50.0, 2000.0, 2e4, 1e6])
@pytest.mark.parametrize(
    ("disks", "most"),
    [(SMOOTH, 0), (METAL, 0), (GAP, 0), (GRAINS, 2e-3)],
    ids=["smooth", "metal", "gap", "grains"],
)
def test_clean_scans_lose_almost_nothing(
    disks: Any, most: float, air: float, views: int, monkeypatch: pytest.MonkeyPatch
):
    """But where no photon at all came through, which a logarithm cannot take."""
    monkeypatch.setattr("cases.scan.DISKS", disks)
    rate = air * torch.exp(-sinogram(half_turn(views), center=1.3))
    counts = torch.poisson(rate.float(), torch.Generator().manual_seed(views)) + OFFSET
    found = dict(masks(counts, air, math.inf).kinds)
    found.pop("at or below the dark field", None)
    assert sum(found.values()) <= max(most * counts.numel(), 1.01 * bool(most)), found


def test_a_drifting_beam_and_uneven_pixels_are_kept():
    """Views up to a tenth brighter than the flat field, and pixels off by a twentieth."""
    gain = 1 + 0.05 * torch.sin(7.0 * torch.arange(BINS))
    beam = 1 + 0.1 * torch.linspace(0, 1, 90)[:, None]
    assert masks((clean() - OFFSET) * gain * beam + OFFSET).kinds == {}


def test_another_exposure_of_all_views_is_said_and_masks_nothing(tmp_path: Path):
    problem = ct_scan(
        str(write_scan(tmp_path / "a.h5", data_white=flats(level=0.5 * AIR))), center=0.0
    )
    assert problem.notes["masked values"] == f"0 of {90 * BINS}"
    assert "brighter than the flat field: another exposure" in problem.notes["beam"]


def test_a_simulation_without_noise_has_no_stuck_pixels():
    counts = (AIR * torch.exp(-sinogram(ANGLES)) + OFFSET).float()
    assert masks(counts).kinds == {}


def test_line_integrals_are_masked_where_they_are_lost_or_unlike_their_neighbours():
    line = sinogram(ANGLES).float()
    assert masks_of_integrals(line, 1e-3, ANGLES).kinds == {}
    line[40, 36] = -2.0
    line[41, 20] = math.nan
    assert masks_of_integrals(line, 1e-3, ANGLES).kinds == {
        "not finite": 1,
        "unlike their neighbours": 1,
    }


@pytest.mark.filterwarnings("ignore:ParallelBeam. the views leave gaps")
@pytest.mark.parametrize("spoil", [zingers, hot, stuck, dark_views, dead, clipped])
def test_spoilt_scans_reconstruct_as_clean_ones(tmp_path: Path, spoil: Any):
    counts = counts_of(ANGLES)
    for row in range(counts.shape[1]):
        line = torch.from_numpy(counts[:, row].copy())
        spoil(line)
        counts[:, row] = np.clip(line.numpy(), 0, 65535)
    path = str(write_scan(tmp_path / "a.h5", data=counts))
    problem = ct_scan(path, center=0.0, raster=True)
    assert problem.notes["masked, by kind"]
    fbp = problem.suggested.baselines["FBP"](problem).sample()
    tv = baselines.tv(problem, 1.0, iterations=100).sample()
    reference = ct_scan(str(write_scan(tmp_path / "b.h5")), center=0.0, raster=True)
    usual = relative_error(reference.suggested.baselines["FBP"](reference).sample(), reference.grid)
    assert relative_error(fbp, problem.grid) < max(1.25 * usual, 0.13)
    assert relative_error(tv, problem.grid) < 0.2


def test_a_bin_is_what_its_trusted_pixels_tell(tmp_path: Path):
    counts = counts_of(ANGLES)
    counts[5, :, 30] = 60000
    problem = ct_scan(str(write_scan(tmp_path / "a.h5", data=counts)), center=0.0, bin=2)
    clean = ct_scan(str(write_scan(tmp_path / "b.h5")), center=0.0, bin=2)
    at = 5 * (BINS // 2) + 15
    assert at in problem.terms[0].trusted.tolist()
    assert float(problem.terms[0].y[at]) == pytest.approx(float(clean.terms[0].y[at]), abs=0.1)
