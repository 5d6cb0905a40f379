"""DICOM series as scanners write them: rounded places, frames, slopes of their own, repeats."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases.io import ct_file

from inverse_inr import io

pytest.importorskip("pydicom", reason="pydicom (the dicom extra) is not installed")


def slice_of(k: int, position: list[str], **changes: Any) -> Any:
    """A slice of 4 x 5 pixels, all k, at a position as its file writes it."""
    import pydicom

    dataset = pydicom.dcmread(ct_file())
    dataset.Rows, dataset.Columns = 4, 5
    dataset.PixelData = np.full((4, 5), k, np.int16).tobytes()
    dataset.ImagePositionPatient = position
    dataset.PixelSpacing = ["1", "1"]
    dataset.RescaleSlope, dataset.RescaleIntercept = "1", "0"
    dataset.AcquisitionNumber = 1
    for name, value in changes.items():
        setattr(dataset, name, value)
    return dataset


def series(folder: Path, heights: list[str], **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for k, z in enumerate(heights):
        slice_of(k, ["0", "0", z], **changes).save_as(folder / f"{k:03}{len(changes)}.dcm")
    return folder


# --- places that are rounded ----------------------------------------------------------------------


@pytest.mark.parametrize(("gap", "decimals"), [(0.625, 1), (0.7333, 1), (0.0826, 2), (7.3, 0)])
def test_rounded_places_are_taken_as_an_even_lattice(tmp_path: Path, gap: float, decimals: int):
    heights = [f"{gap * k:.{decimals}f}" for k in range(20)]
    with io.inferences() as found:
        values, grid = io.read_dicom(series(tmp_path / "a", heights))
    assert grid.spacing[2] == pytest.approx(gap, rel=0.01)
    assert values[0, 0, :, 0].tolist() == list(range(20))
    assert any(f"written to {10.0**-decimals:.2g} mm" in sentence for sentence in found)


def test_rounded_places_along_an_oblique_normal(tmp_path: Path):
    normal = np.cross([0.8, 0.6, 0.0], [0.0, 0.0, 1.0])
    folder = tmp_path / "a"
    folder.mkdir()
    for k in range(12):
        place = [f"{v:.1f}" for v in 0.9 * k * normal]
        turn = ["0.8", "0.6", "0", "0", "0", "1"]
        slice_of(k, place, ImageOrientationPatient=turn).save_as(folder / f"{k}.dcm")
    _, grid = io.read_dicom(folder)
    assert grid.spacing[2] == pytest.approx(0.9, rel=0.02)


@pytest.mark.parametrize("missing", [1, 7, 18])
def test_a_missing_slice_among_rounded_places_is_still_refused(tmp_path: Path, missing: int):
    heights = [f"{0.625 * k:.1f}" for k in range(20) if k != missing]
    with pytest.raises(io.FileFormatError, match="A missing or repeated slice"):
        io.read_dicom(series(tmp_path / "a", heights))


def test_whole_millimetres_cannot_be_told_from_a_missing_slice(tmp_path: Path):
    with pytest.raises(io.FileFormatError, match="gaps of 1 to 2 mm"):
        io.read_dicom(series(tmp_path / "a", ["0", "1", "3", "4", "5"]))


def test_exact_places_say_nothing(tmp_path: Path):
    with io.inferences() as found:
        io.read_dicom(series(tmp_path / "a", ["0", "2.5", "5", "7.5"]))
    assert found == []


# --- slopes, repeats, frames ----------------------------------------------------------------------


def test_each_slice_has_its_own_slope(tmp_path: Path):
    folder = tmp_path / "a"
    folder.mkdir()
    for k in range(3):
        own = slice_of(k, ["0", "0", str(k)], RescaleSlope=str(1 + k), RescaleIntercept=str(-k))
        own.save_as(folder / f"{k}.dcm")
    assert io.read_dicom(folder)[0][0, 0, :, 0].tolist() == [0, 1, 4]


def test_dynamics_in_one_folder_are_named(tmp_path: Path):
    folder = series(tmp_path / "a", ["0", "1", "2"])
    for k in range(3):
        slice_of(k, ["0", "0", str(k)], AcquisitionNumber=2).save_as(folder / f"b{k}.dcm")
    message = r"found 2 at each of 3: .*They differ in AcquisitionNumber \(1, 2\)"
    with pytest.raises(io.FileFormatError, match=message):
        io.read_dicom(folder)


def enhanced(path: Path, heights: list[float], slopes: list[float]) -> Path:
    """A multi-frame file whose poses and slopes stand in functional groups."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    def group(**items: Dataset) -> Dataset:
        made = Dataset()
        for name, item in items.items():
            setattr(made, name, Sequence([item]))
        return made

    def item(**entries: Any) -> Dataset:
        made = Dataset()
        for name, value in entries.items():
            setattr(made, name, value)
        return made

    whole = slice_of(0, ["0", "0", "0"])
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(whole, name)
    for name in ("RescaleSlope", "RescaleIntercept", "SliceThickness"):
        delattr(whole, name)
    whole.NumberOfFrames = len(heights)
    whole.SharedFunctionalGroupsSequence = Sequence(
        [
            group(
                PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
                PixelMeasuresSequence=item(PixelSpacing=[0.5, 0.75], SliceThickness=2),
            )
        ]
    )
    whole.PerFrameFunctionalGroupsSequence = Sequence(
        [
            group(
                PlanePositionSequence=item(ImagePositionPatient=[1, 2, z]),
                PixelValueTransformationSequence=item(RescaleSlope=m, RescaleIntercept=10),
            )
            for z, m in zip(heights, slopes, strict=True)
        ]
    )
    frames = np.arange(len(heights), dtype=np.int16)[:, None, None] * np.ones((1, 4, 5), np.int16)
    whole.PixelData = frames.astype(np.int16).tobytes()
    whole.save_as(path)
    return path


def test_frames_of_an_enhanced_file_are_slices(tmp_path: Path):
    path = enhanced(tmp_path / "a.dcm", [4.0, 0.0, 2.0], [1.0, 2.0, 3.0])
    values, grid = io.read_image(path)
    assert grid.shape == (4, 5, 3)
    assert grid.spacing == pytest.approx((0.5, 0.75, 2.0))
    assert values[0, 0, :, 0].tolist() == [1 * 2 + 10, 2 * 3 + 10, 0 + 10]  # sorted by height
    assert np.array(grid.affine)[:3, 3].tolist() == pytest.approx([-1, -2, 0])


def test_frames_at_uneven_places_are_named(tmp_path: Path):
    path = enhanced(tmp_path / "a.dcm", [0.0, 1.0, 2.0, 5.0], [1.0] * 4)
    with pytest.raises(io.FileFormatError, match=r"a\.dcm \(frame 2\) and a\.dcm \(frame 3\)"):
        io.read_dicom(path)
