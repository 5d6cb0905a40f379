"""Snapshots and masks of other people's benches: what is no measurement, and what is no mask."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat

from inverse_inr.problems.spectral import cassi_real
from inverse_inr.problems.spectral.detector_pixels import clipped_pixels, hot_pixels

BANDS, SIZE = 6, 40


def bench() -> tuple[np.ndarray, np.ndarray]:
    """A smooth scene behind a random mask, dispersed by 2 px a band; and the mask."""
    rng = np.random.default_rng(0)
    mask = (rng.random((SIZE, SIZE)) < 0.5) * 0.9 + 0.05
    line = np.linspace(-1, 1, SIZE)
    scene = 0.3 + np.exp(-3 * (line[:, None] ** 2 + line**2))
    y = np.zeros((SIZE, SIZE + 2 * (BANDS - 1)))
    for k in range(BANDS):
        y[:, 2 * k : 2 * k + SIZE] += mask * scene * (1 - 0.05 * k)
    return y + 0.005 * y.max() * rng.standard_normal(y.shape), mask


def problem_of(folder: Path, y: np.ndarray, mask: np.ndarray, **options: Any):
    savemat(folder / "y.mat", {"meas_real": y})
    savemat(folder / "m.mat", {"mask": mask})
    paths = str(folder / "y.mat"), str(folder / "m.mat")
    return cassi_real(
        *paths,
        **({"bands": BANDS, "register": False, "noise_level": 0.01, "background": 0.0} | options),
    )


def test_a_hot_pixel_changes_nothing_but_itself(tmp_path: Path):
    y, mask = bench()
    right = problem_of(tmp_path, y, mask).terms[0]
    hot = y.copy()
    hot[20, 20] = 100 * y.max()
    found = problem_of(tmp_path, hot, mask)
    assert found.notes["hot pixels"].startswith("1 ")
    term = found.terms[0]
    assert len(term.trusted) == len(right.trusted) - 1
    assert 20 * y.shape[1] + 20 not in term.trusted
    torch.testing.assert_close(term.y[term.trusted], right.y[term.trusted], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [np.float64, np.uint16])
def test_clipped_pixels_are_not_trusted(tmp_path: Path, kind: type):
    y, mask = bench()
    counts = np.clip(y / y.max() * 9000, 0, 4095).astype(kind)
    found = problem_of(tmp_path, counts, mask)
    clipped = int((counts == 4095).sum())
    assert found.notes["saturated"].startswith(f"{clipped} ")
    assert not np.isin(found.terms[0].trusted, np.flatnonzero(counts == 4095)).any()


def test_few_levels_and_smooth_peaks_are_neither_clipped_nor_hot():
    levels = torch.randint(0, 4, (50, 50), generator=torch.Generator().manual_seed(0)).float()
    assert not clipped_pixels(levels).any()
    assert not hot_pixels(levels).any()
    assert not hot_pixels(torch.full((9, 9), float("nan"))).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, m: (y, np.repeat(m[..., None], BANDS, 2)), "One mask for each band is not read"),
        (lambda y, m: (y, np.sign(m - 0.5)), "goes from -1 to 1"),
        (lambda y, m: (y, np.ones_like(m)), "everywhere: it codes nothing"),
        (lambda y, m: (y, np.pad(m, ((0, 0), (0, 10)))), "mask is as long as the snapshot"),
        (lambda y, m: (np.stack([y, y]), m), "Several snapshots, or colours"),
        (lambda y, m: (y + 0j, m), "amplitude is no count of light"),
        (lambda y, m: (-y - 1 + 30 * (y == y.max()), m), "pixels are negative"),
        (lambda y, m: (0 * y + 1, m), "is 1 everywhere"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_snapshot_or_mask_is_refused(tmp_path: Path, change, message: str):
    with pytest.raises(ValueError, match=message):
        problem_of(tmp_path, *change(*bench()))


@pytest.mark.parametrize(
    ("wavelengths", "message"),
    [
        (np.linspace(0.45, 0.65, BANDS), "In micrometres"),
        (np.arange(1, BANDS + 1), "Band numbers"),
        (np.linspace(650, 450, BANDS), "Turn them round"),
    ],
)
def test_wavelengths_that_are_none_are_refused(tmp_path: Path, wavelengths, message: str):
    with pytest.raises(ValueError, match=f"cassi_real: .*{message}"):
        problem_of(tmp_path, *bench(), wavelengths=wavelengths)
