"""A scan comes out the same from every layout; what its file leaves out is inferred or refused."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import torch
from cases.scan import (
    AIR,
    BINS,
    OFFSET,
    counts_of,
    darks,
    fbp_error,
    flats,
    half_turn,
    sinogram,
    write_scan,
)

from inverse_inr import noise
from inverse_inr.problems.ct import ct_scan

ANGLES = half_turn()
USUAL = 0.14
"""The relative error of FBP on the disks with the right geometry."""


def dxchange(folder: Path) -> Path:
    return write_scan(folder / "a.h5")


def data_flat(folder: Path) -> Path:
    return write_scan(folder / "a.h5", data_white=None, data_flat=flats())


def no_dark_field(folder: Path) -> Path:
    return write_scan(folder / "a.h5", data_dark=None)


def radians_without_unit(folder: Path) -> Path:
    return write_scan(folder / "a.h5", units=None, theta=ANGLES.numpy())


def nxtomo(folder: Path) -> Path:
    keys = [1] * 10 + [0] * 90 + [2] * 5
    with h5py.File(folder / "a.nxs", "w") as file:
        entry = file.create_group("entry1/tomo_entry")
        frames = np.concatenate([flats(), counts_of(ANGLES), darks()])
        entry["instrument/detector/data"] = frames.astype(np.uint16)
        entry["instrument/detector/image_key"] = keys
        angles = np.zeros(105)
        angles[10:100] = ANGLES.rad2deg()
        entry["sample/rotation_angle"] = angles
        # as NeXus has them: links into the group that is plotted
        entry["data/data"] = h5py.SoftLink("/entry1/tomo_entry/instrument/detector/data")
        entry["data/rotation_angle"] = h5py.SoftLink("/entry1/tomo_entry/sample/rotation_angle")
    return folder / "a.nxs"


def nxtomo_of_an_even_beam(folder: Path) -> Path:
    """Neither flat field nor image keys."""
    with h5py.File(folder / "a.nxs", "w") as file:
        file["entry/data/data"] = counts_of(ANGLES) - OFFSET
        file["entry/data/rotation_angle"] = ANGLES.rad2deg().numpy()
    return folder / "a.nxs"


@pytest.mark.parametrize(
    "write",
    [dxchange, data_flat, no_dark_field, radians_without_unit, nxtomo, nxtomo_of_an_even_beam],
)
def test_every_layout_gives_the_same_picture(tmp_path: Path, write: Any):
    problem = ct_scan(str(write(tmp_path)), row=1)
    assert fbp_error(problem) < USUAL
    assert abs(problem.notes["centre of rotation found (px)"]) < 0.2
    assert problem.notes["masked values"] == f"0 of {90 * BINS}"


def test_tiff_projections_give_the_same_picture(tmp_path: Path):
    for name, frames in (("p", counts_of(ANGLES)), ("w", flats()), ("d", darks())):
        tifffile.imwrite(tmp_path / f"{name}.tif", frames.astype(np.uint16))
    white, dark = str(tmp_path / "w.tif"), str(tmp_path / "d.tif")
    problem = ct_scan(str(tmp_path / "p.tif"), row=1, white=white, dark=dark, span=178.0)
    assert fbp_error(problem) < USUAL
    assert problem.notes["counts a quantum"] == pytest.approx(1, rel=0.3)


def test_what_is_inferred_stands_in_the_notes(tmp_path: Path):
    notes = ct_scan(str(nxtomo_of_an_even_beam(tmp_path))).notes
    assert "which see an even beam" in notes["flat field"]
    assert "taken as 0" in notes["dark field"]
    assert "from the noise of the views" in notes["gain"]
    assert notes["counts a quantum"] == pytest.approx(1, rel=0.2)
    radians = ct_scan(str(radians_without_unit(tmp_path))).notes
    assert "read as radians, as the 90 views span 3.1" in radians["angles"]


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda c: c * (1 + 0.2 * np.sin(np.arange(BINS))), {}, "show no even beam.*air="),
        (lambda c: c[:, :, 16:56], {}, "show no even beam"),
        (lambda c: c, {"names": {"theta": ""}}, "no angles. Give angles="),
        (lambda c: c, {"values": "transmissions"}, "Counts, or line integrals"),
        (lambda c: 0 * c, {}, "no even beam"),
    ],
    ids=["uneven beam", "no air", "no angles", "no transmissions", "no light"],
)
def test_counts_without_a_flat_field_are_refused_unless_the_beam_is_even(
    tmp_path: Path, spoil: Any, options: dict[str, Any], message: str
):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = spoil(counts_of(ANGLES) - OFFSET)
        file["theta"] = ANGLES.rad2deg().numpy()
    with pytest.raises(ValueError, match=message):
        ct_scan(str(tmp_path / "a.h5"), center=0.0, **options)


def test_air_that_the_caller_knows_stands_for_a_flat_field(tmp_path: Path):
    beam = (
        1 + 0.3 * torch.linspace(-1, 1, BINS)[None, None] + 0.1 * torch.sin(ANGLES)[:, None, None]
    )
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = (counts_of(ANGLES) - OFFSET) * beam.numpy()
        file["theta"] = ANGLES.rad2deg().numpy()
    with pytest.raises(ValueError, match="no even beam"):
        ct_scan(str(tmp_path / "a.h5"))
    assert fbp_error(ct_scan(str(tmp_path / "a.h5"), air=4)) < USUAL


@pytest.mark.parametrize("values", ["transmissions", "line integrals"])
def test_scans_that_are_corrected_already(tmp_path: Path, values: Any):
    seen = (counts_of(ANGLES) - OFFSET) / AIR
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["exchange/data"] = -np.log(seen) if values == "line integrals" else seen
        file["exchange/theta"] = ANGLES.rad2deg().numpy()
    assert fbp_error(ct_scan(str(tmp_path / "a.h5"), values=values)) < USUAL


def test_white_and_dark_that_are_swapped_are_refused(tmp_path: Path):
    path = write_scan(tmp_path / "a.h5", data_white=darks(), data_dark=flats())
    with pytest.raises(ValueError, match="Are white and dark swapped"):
        ct_scan(str(path))


def test_for_poisson_counts_no_light_is_a_measurement(tmp_path: Path):
    """To mask it, as the logarithm must, would make dense things lighter than they are."""
    rate = 6.0 * torch.exp(-1.5 * sinogram(ANGLES))[:, None].expand(-1, 2, -1)
    few = torch.poisson(rate.float(), torch.Generator().manual_seed(0)).numpy()
    white = np.full((10, 2, BINS), 6.0)
    path = str(
        write_scan(tmp_path / "a.h5", data=few, data_white=white, data_dark=np.zeros((5, 2, BINS)))
    )
    dark = int((few[:, 0] == 0).sum())
    assert dark > 100
    poisson = ct_scan(path, center=0.0, fidelity="poisson")
    gaussian = ct_scan(path, center=0.0)
    assert len(poisson.terms[0].trusted) == 90 * BINS
    assert len(gaussian.terms[0].trusted) == 90 * BINS - dark
    model = poisson.terms[0].fidelity
    assert isinstance(model, noise.Poisson)
    rows = poisson.terms[0].trusted
    gain = poisson.notes["counts a quantum"]
    residual = poisson.terms[0].y[rows] - rate[:, 0].flatten()[rows] / gain
    assert abs(float(residual.mean())) < 0.1
