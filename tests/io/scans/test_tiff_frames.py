"""Projections as TIFF: types, byte orders, pages and folders, and only the rows that are asked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from cases.scan import BINS, counts_of, darks, flats, half_turn

from inverse_inr.io import FileFormatError, read_scan
from inverse_inr.io.scans.tiff_frames import natural_key, read_tiff_stack

FRAMES = np.random.default_rng(0).integers(0, 100, (12, 5, 7))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_all_pages_of_any_type(tmp_path: Path, dtype: str, order: Any, compression: Any):
    array = FRAMES.astype(dtype)
    if array.dtype.kind in "if":
        array = array - 50  # signed counts, as after a camera's own offset
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, array, byteorder=order, compression=compression, photometric="minisblack"
    )
    stack = read_tiff_stack(path, 3)
    assert stack.frames.dtype == array.dtype
    assert np.array_equal(stack.frames, array[:, 3:4])
    assert np.array_equal(read_tiff_stack(path, None).frames, array)


def test_stacks_of_imagej_are_read(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", FRAMES.astype("u2"), imagej=True)
    assert np.array_equal(read_tiff_stack(tmp_path / "a.tif", 1).frames[:, 0], FRAMES[:, 1])


def test_a_folder_is_sorted_as_people_count(tmp_path: Path):
    for k, frame in enumerate(FRAMES):
        tifffile.imwrite(tmp_path / f"scan2_{k}.TIF", frame.astype("u2"))
    assert np.array_equal(read_tiff_stack(tmp_path, None).frames, FRAMES)
    assert np.array_equal(read_tiff_stack(tmp_path / "scan2_*", 0).frames, FRAMES[:, :1])
    names = ["a10", "a2", "A1", "a02b"]
    assert sorted(names, key=natural_key) == ["A1", "a2", "a02b", "a10"]


def test_projections_with_flat_and_dark_fields_beside(tmp_path: Path):
    for name, frames in (("p", counts_of(half_turn())), ("w", flats()), ("d", darks())):
        (tmp_path / name).mkdir()
        for k, frame in enumerate(frames):
            tifffile.imwrite(tmp_path / name / f"{name}_{k}.tif", frame.astype(np.uint16))
    scan = read_scan(tmp_path / "p", rows=1, white=tmp_path / "w", dark=tmp_path / "d", span=178.0)
    assert scan.counts.shape == (90, 1, BINS)
    assert scan.white is not None
    assert scan.gain is not None
    assert float(scan.gain[0]) == pytest.approx(1, rel=0.3)
    assert torch.allclose(scan.angles, half_turn())  # type: ignore[arg-type]
    assert scan.notes["flat field"] == "10 frames of w"


def test_missing_numbers_are_said_and_refuse_a_span(tmp_path: Path):
    for k in (0, 1, 2, 3, 5, 6):
        tifffile.imwrite(tmp_path / f"p{k:04d}.tif", FRAMES[k].astype("u2"))
    assert "the first 4" in read_scan(tmp_path).notes["missing frames"]
    with pytest.raises(FileFormatError, match=r"span= would give.*Give angles="):
        read_scan(tmp_path, span=180.0)


def mixed(folder: Path) -> Path:
    for name in ("flat_1.tif", "proj_1.tif", "proj_2.tif"):
        tifffile.imwrite(folder / name, FRAMES[0].astype("u2"))
    return folder


def unlike(folder: Path) -> Path:
    tifffile.imwrite(folder / "p1.tif", FRAMES[0].astype("u2"))
    tifffile.imwrite(folder / "p2.tif", FRAMES[0].astype("u1"))
    return folder


def colour(folder: Path) -> Path:
    tifffile.imwrite(folder / "p.tif", np.zeros((4, 5, 3), "u1"), photometric="rgb")
    return folder / "p.tif"


def cut(folder: Path) -> Path:
    tifffile.imwrite(folder / "p.tif", FRAMES.astype("u2"), photometric="minisblack")
    path = folder / "p.tif"
    path.write_bytes(path.read_bytes()[:600])
    return path


def short(folder: Path) -> Path:
    """Whole pages are lost at the end, which tifffile only logs."""
    path = folder / "p.tif"
    tifffile.imwrite(path, FRAMES.astype("u2"), photometric="minisblack", compression="zlib")
    path.write_bytes(path.read_bytes()[:2000])
    return path


def huge(folder: Path) -> Path:
    path = folder / "p.tif"
    tifffile.imwrite(path, np.zeros((4, 4), "u2"), photometric="minisblack")
    data = bytearray(path.read_bytes())
    for tag in (256, 257):  # width and length
        at = data.index(np.array([tag, 4], "<u2").tobytes() + np.array([1], "<u4").tobytes())
        data[at + 8 : at + 12] = np.array([200_000], "<u4").tobytes()
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (mixed, "2 kinds of names.*flat_#, proj_#"),
        (unlike, "p2.tif: a frame of"),
        (colour, "found RGB"),
        (cut, "damaged|truncated|Truncated"),
        (short, "pages are missing or damaged"),
        (huge, "claims .* GiB"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_files_that_are_no_projections_are_refused(tmp_path: Path, write: Any, message: str):
    with pytest.raises(FileFormatError, match=message):
        read_tiff_stack(write(tmp_path), 0)


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="there is no TIFF file"):
        read_tiff_stack(tmp_path, None)


def test_only_the_rows_that_are_asked_are_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A page that lies in one piece is mapped, never decoded as a whole."""
    tifffile.imwrite(tmp_path / "a.tif", FRAMES.astype("u2"), photometric="minisblack")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", None)
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", None)
    assert np.array_equal(read_tiff_stack(tmp_path / "a.tif", 2).frames[:, 0], FRAMES[:, 2])
