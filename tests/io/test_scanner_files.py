"""Files of scanners: DICOM slices and series, DXchange scans, and what is said of faulty ones."""

import sys
from math import pi
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from cases.io import ct_file, scan_file

from inverse_inr import io

# ---------------------------------------------------------------- DICOM


def series(folder: Path, heights: list[float], **changes: object) -> Path:
    """CT_small as a series: one file per height in mm.

    The names run against the order of the heights; pixel (0, 0) holds the index.
    """
    import pydicom

    folder.mkdir(exist_ok=True)
    for i, z in enumerate(heights):
        dataset = pydicom.dcmread(ct_file())
        dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], z]
        pixels = dataset.pixel_array.copy()
        pixels[0, 0] = i
        dataset.PixelData = pixels.tobytes()
        for name, value in changes.items():
            setattr(dataset, name, value)
        dataset.save_as(folder / f"{len(changes)}{99 - i}.dcm")
    return folder


def test_a_ct_slice_is_read_in_hounsfield_units_or_attenuation():
    values, grid = io.read_image(ct_file())
    assert values.shape == (128, 128, 1)
    assert grid.spacing == pytest.approx((0.661468, 0.661468))
    assert (values.min(), values.max()) == (-896, 1167)
    mu, _ = io.read_image(ct_file(), attenuation=True, mu_water=0.02)
    assert torch.allclose(mu, (0.02 * (1 + values / 1000)).clamp(min=0))


def test_series_is_sorted_along_its_normal_and_placed_in_the_world(tmp_path: Path):
    folder = series(tmp_path / "ct", [5.0, 0.0, 2.5])
    (folder / "readme.txt").write_text("passed over")
    values, grid = io.read_image(folder)
    assert values.shape == (128, 128, 3, 1)
    assert grid.spacing == pytest.approx((0.661468, 0.661468, 2.5))
    assert (values[0, 0, :, 0] + 1024).tolist() == [1, 2, 0]
    affine = np.array(grid.affine)
    assert affine[:3, 3].tolist() == pytest.approx([158.135803, 179.035797, 0])  # LPS to RAS
    # the row index goes to the back of the patient
    assert affine[:3, 0].tolist() == pytest.approx([0, -0.661468, 0])
    io.write_image(tmp_path / "a.nii", values, grid)
    assert io.read_image(tmp_path / "a.nii")[1].shape == grid.shape


def test_a_missing_slice_of_a_series_is_named(tmp_path: Path):
    with pytest.raises(io.FileFormatError, match=r"gaps of 1 to 2 mm.*missing or repeated"):
        io.read_image(series(tmp_path / "gap", [0.0, 1.0, 2.0, 4.0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SeriesInstanceUID": "1.2.3"}, r"found 2: .*1\.2\.3"),
        ({"PixelSpacing": [1, 2]}, r"share one spacing; .*\(1\.0, 2\.0\)"),
    ],
    ids=["another series", "another spacing"],
)
def test_a_slice_that_does_not_belong_to_the_series_is_named(
    tmp_path: Path, change: dict, message: str
):
    folder = series(tmp_path / "mixed", [0.0, 1.0])
    series(folder, [2.0], **change)
    with pytest.raises(io.FileFormatError, match=message):
        io.read_image(folder)


def test_a_folder_without_slices_names_its_folders(tmp_path: Path):
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    message = r"none among 0 files. Meant one of its folders \['inner'\]"
    with pytest.raises(io.FileFormatError, match=message):
        io.read_image(tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("MR_small.dcm", {"attenuation": True}, ValueError, "found modality MR"),
        ("rtdose.dcm", {}, io.FileFormatError, "found 15 frames"),
    ],
    ids=["attenuation of an MR image", "frames"],
)
def test_dicom_that_cannot_be_used_is_named(
    name: str, options: dict, error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        io.read_image(ct_file().parent / name, **options)


def test_a_compression_that_cannot_be_decoded_is_named(monkeypatch: pytest.MonkeyPatch):
    folder = ct_file().parent
    import pydicom

    monkeypatch.setattr(pydicom.Dataset, "pixel_array", property(lambda _: 1 / 0))
    with pytest.raises(io.FileFormatError, match=r"can be decoded, found JPEG-LS.*pip install"):
        io.read_image(folder / "MR_small_jpeg_ls_lossless.dcm")


def test_without_pydicom_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImportError, match=r'pip install "inverse-inr\[dicom\]"'):
        io.read_image(tmp_path)


# ---------------------------------------------------------------- DXchange


def test_dxchange_means_angles_and_lazy_rows(tmp_path: Path):
    path = scan_file(tmp_path / "a.h5")
    scan = io.read_dxchange(path)
    assert scan.counts.shape == (7, 5, 6)
    assert torch.equal(scan.white, scan.counts[:3].mean(0) + 1000)
    assert torch.equal(scan.dark, scan.counts[:2].mean(0))
    assert scan.angles.tolist() == pytest.approx([k * pi / 6 for k in range(7)])
    every_second = slice(1, None, 2)
    for rows, index in [(2, slice(2, 3)), (-1, slice(4, 5)), (every_second, every_second)]:
        part = io.read_dxchange(path, rows=rows)
        assert torch.equal(part.counts, scan.counts[:, index])
        assert torch.equal(part.white, scan.white[index])


@pytest.mark.parametrize(
    "rows", [5, slice(5, 9), slice(None, None, -1)], ids=["beyond", "none left", "backwards"]
)
def test_dxchange_rows_that_are_not_there_are_refused(tmp_path: Path, rows: int | slice):
    with pytest.raises(ValueError, match=r"rows=.* 5 detector rows"):
        io.read_dxchange(scan_file(tmp_path / "a.h5"), rows=rows)


@pytest.mark.parametrize(
    "units", ["radians", b"rad", np.array(["radian"], object)], ids=["str", "bytes", "array"]
)
def test_dxchange_honours_radians(tmp_path: Path, units: object):
    path = scan_file(tmp_path / "a.h5", units=units)
    with h5py.File(path, "r+") as file:
        file["exchange/theta"][...] = np.deg2rad(file["exchange/theta"][...])
    assert float(io.read_dxchange(path).angles[-1]) == pytest.approx(np.pi)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"without": "data_white"},
            r"'exchange/data_white', found nothing.*exchange/data_dark, exch",
        ),
        ({"theta": 8}, r"8 angles and exchange/data 7 projections"),
        ({"units": "furlong"}, "found units 'furlong'"),
    ],
    ids=["no white field", "an angle too many", "units"],
)
def test_dxchange_faults_are_named(tmp_path: Path, change: dict, message: str):
    with pytest.raises(io.FileFormatError, match=message):
        io.read_dxchange(scan_file(tmp_path / "a.h5", **change))


def test_a_group_is_no_tensor(tmp_path: Path):
    with pytest.raises(io.FileFormatError, match="found a group"):
        io.read_hdf5(scan_file(tmp_path / "a.h5"), "exchange")


def test_the_published_tooth_scan_is_read(data):
    path = data.file("tooth.h5")
    scan = io.read_dxchange(path)
    assert scan.counts.shape == (181, 2, 640)
    assert scan.white.shape == scan.dark.shape == (2, 640)
    assert (scan.angles[0], scan.angles[-1]) == (0, pytest.approx(pi * 180 / 181))
    assert scan.dark.mean() < scan.counts.mean() < scan.white.mean()
    assert torch.equal(io.read_dxchange(path, rows=1).counts, scan.counts[:, 1:])
