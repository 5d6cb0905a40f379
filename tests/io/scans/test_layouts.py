"""Scans in HDF5: layouts, datasets by name, missing parts, flat fields in time, what is refused."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from cases.scan import AIR, BINS, OFFSET, counts_of, darks, flats, half_turn, sinogram, write_scan

from inverse_inr.io import FileFormatError, read_dxchange, read_scan

VIEWS = half_turn()


def write(path: Path, **datasets: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return path


def nxtomo(path: Path, entry: str = "entry0000", level: float = 1.0) -> Path:
    """Dark fields, flat fields, a scan with one invalid frame, and flat fields of another level."""
    views = counts_of(VIEWS)
    frames = [darks(3), flats(6), views[:50], np.zeros((1, 2, BINS)), views[50:]]
    keys = [2] * 3 + [1] * 6 + [0] * 50 + [3] + [0] * 40
    angles = [0.0] * 9 + VIEWS[:50].rad2deg().tolist() + [99.0] + VIEWS[50:].rad2deg().tolist()
    if level != 1:
        frames.append(flats(6, level=level * AIR))
        keys += [1] * 6
        angles += [180.0] * 6
    return write(
        path,
        **{
            f"{entry}/instrument/detector/data": np.concatenate(frames).astype(np.uint16),
            f"{entry}/instrument/detector/image_key": np.array(keys),
            f"{entry}/sample/rotation_angle": np.array(angles),
        },
    )


def test_a_layout_is_found_and_named(tmp_path: Path):
    scan = read_scan(write_scan(tmp_path / "a.h5"), rows=1)
    assert scan.counts.shape == (90, 1, BINS)
    assert scan.white is not None
    assert scan.white.shape == scan.dark.shape == (1, BINS)
    assert torch.allclose(scan.angles, VIEWS)  # type: ignore[arg-type]
    assert scan.gain is not None
    assert float(scan.gain[0]) == pytest.approx(1, rel=0.3)
    assert scan.ceiling == 65535
    assert scan.notes["layout"].startswith("DXchange (data exchange/data")


@pytest.mark.parametrize("entry", ["entry", "entry0000", "my_scan/tomo_entry"])
def test_the_frames_of_nxtomo_are_told_apart_by_their_keys(tmp_path: Path, entry: str):
    scan = read_scan(nxtomo(tmp_path / "a.nxs", entry))
    assert scan.counts.shape == (90, 2, BINS)
    assert torch.equal(scan.counts, torch.from_numpy(counts_of(VIEWS)).round())
    assert scan.white is not None
    assert float(scan.white.mean()) == pytest.approx(AIR + OFFSET, rel=1e-2)
    assert torch.equal(scan.dark, torch.full((2, BINS), OFFSET))
    assert torch.allclose(scan.angles, VIEWS)  # type: ignore[arg-type]
    assert "NXtomo" in scan.notes["layout"]


def test_flat_fields_before_and_after_are_interpolated_in_time(tmp_path: Path):
    scan = read_scan(nxtomo(tmp_path / "a.nxs", level=0.8), rows=0)
    assert scan.white is not None
    assert scan.white.shape == (90, 1, BINS)
    level = (scan.white.mean((1, 2)) - OFFSET) / AIR
    # between the middles of the two groups, frames 5.5 and 102.5; the invalid frame took its time
    frame = torch.tensor([*range(9, 59), *range(60, 100)])
    assert torch.allclose(level, 1 - 0.2 * (frame - 5.5) / 97, atol=2e-3)
    assert "interpolated in time" in scan.notes["flat field"]


def test_two_datasets_of_flat_fields_are_before_and_after(tmp_path: Path):
    path = write_scan(
        tmp_path / "a.h5",
        data_white=None,
        data_white_pre=flats(),
        data_white_post=flats(level=0.9 * AIR),
    )
    white = read_scan(path).white
    assert white is not None
    level = (white.mean((1, 2)) - OFFSET) / AIR
    assert level[[0, 89]].tolist() == pytest.approx([1, 0.9], abs=2e-3)


def test_plain_names_are_read(tmp_path: Path):
    path = write(
        tmp_path / "a.h5", projections=counts_of(VIEWS), flats=flats(), angles=VIEWS.rad2deg()
    )
    scan = read_scan(path)
    assert scan.white is not None
    assert not scan.dark.any()
    assert scan.notes["dark field"] == "none in the file: taken as 0"


def test_a_caller_names_datasets_and_says_which_are_absent(tmp_path: Path):
    path = write(tmp_path / "a.h5", **{"p/q": counts_of(VIEWS), "p/air": flats()[0], "t": VIEWS})
    names = {"data": "p/q", "white": "p/air", "dark": None, "theta": "t"}
    scan = read_scan(path, names=names)
    assert scan.white is not None
    assert scan.white.shape == (2, BINS)
    given = read_scan(write_scan(tmp_path / "b.h5"), names={"white": "", "dark": None}, span=180.0)
    assert given.white is None


def test_a_zinger_in_one_flat_field_is_left_out(tmp_path: Path):
    white = flats()
    white[3, :, 30] = 60000
    scan = read_scan(write_scan(tmp_path / "a.h5", data_white=white))
    clean = read_scan(write_scan(tmp_path / "b.h5"))
    assert scan.white is not None
    assert clean.white is not None
    assert torch.allclose(scan.white, clean.white, rtol=0.01)
    assert scan.notes["outliers in flat and dark fields"].startswith("2 values")


def test_a_file_of_no_layout_lists_its_datasets(tmp_path: Path):
    path = write(tmp_path / "a.h5", **{"x/y": np.ones((3, 2, 4))})
    with pytest.raises(FileFormatError, match=r"names=dict\(data=\.\.\.\)\. Datasets: x/y"):
        read_scan(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"theta": VIEWS[:80].numpy()}, "80 angles and exchange/data 90 proj.*image_key"),
        ({"theta": np.arange(100.0)}, "100 angles and exchange/data 90 proj.*stopped"),
        ({"theta": np.arange(72.0)}, "rows, views, columns.*axis 2"),
        ({"theta": np.where(np.arange(90) % 40 == 7, np.nan, 1.0)}, "NaN or Inf at views 7, 47"),
        ({"data_white": np.ones((3, 2, 70))}, r"data_white has shape \(3, 2, 70\).*binned"),
        ({"data": np.ones((90, 72))}, r"found shape \(90, 72\).*ct_sinogram"),
    ],
    ids=["flats inside", "stopped", "sinograms", "nan", "cropped", "one sinogram"],
)
def test_datasets_that_disagree_are_refused(tmp_path: Path, changes: dict[str, Any], message: str):
    with pytest.raises(FileFormatError, match=message):
        read_scan(write_scan(tmp_path / "a.h5", **changes))


def test_keys_that_mark_no_projection_are_refused(tmp_path: Path):
    path = nxtomo(tmp_path / "a.nxs")
    with h5py.File(path, "a") as file:
        file["entry0000/instrument/detector/image_key"][:] = 1
    with pytest.raises(FileFormatError, match="marks no frame as a projection"):
        read_scan(path)


def test_dxchange_alone_needs_all_its_parts(tmp_path: Path):
    with pytest.raises(FileFormatError, match="exchange/data_dark"):
        read_dxchange(write_scan(tmp_path / "a.h5", data_dark=None))


def test_twelve_bits_in_sixteen_are_full_at_4095(tmp_path: Path):
    rate = 5000 * np.exp(-sinogram(half_turn()).numpy())[:, None].repeat(2, 1)
    counts = np.random.default_rng(0).poisson(rate)
    clipped = np.minimum(counts, 4095).astype(float)
    scan = read_scan(write_scan(tmp_path / "a.h5", data=clipped))
    assert scan.ceiling == 4095
    assert "4095" in scan.notes["saturation"]
    dim = read_scan(write_scan(tmp_path / "b.h5", data=np.minimum(counts * 0.5, 4095)))
    assert dim.ceiling == 65535
