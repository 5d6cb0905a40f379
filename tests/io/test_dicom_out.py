"""DICOM out: places, pixels and relations of a new series, read back by pydicom and by us."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases.io import ct_file, grid_of

from inverse_inr import io
from inverse_inr.domain import Grid
from inverse_inr.io.dicom.writing import decimal_string, levels_of

pydicom = pytest.importorskip("pydicom", reason="pydicom (the dicom extra) is not installed")

HEIGHTS = ("-7.25", "-4.625", "-2", "0.625")
"""Places of the slices of the old series, as its files write them."""
VOLUME = grid_of((3, 4, 2))


def old_series(folder: Path) -> Path:
    folder.mkdir()
    for k, z in enumerate(HEIGHTS):
        dataset = pydicom.dcmread(ct_file())
        dataset.Rows, dataset.Columns = 4, 5
        dataset.PixelData = (np.arange(20, dtype=np.int16) + 100 * k).tobytes()
        dataset.ImagePositionPatient = ["-158.135803", "12.3", z]
        dataset.ImageOrientationPatient = ["0.8", "0.6", "0", "-0.6", "0.8", "0"]
        dataset.PixelSpacing = ["0.661468", "0.48828125"]
        dataset.SOPInstanceUID = f"1.2.3.{k + 1}"
        dataset.PatientName = "Jørgensen^Åse"
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.add_new((0x0009, 0x0010), "LO", "OLD SCANNER")
        dataset.save_as(folder / f"{k}.dcm")
    return folder


def datasets(folder: Path) -> list[Any]:
    return [pydicom.dcmread(file) for file in sorted(folder.iterdir())]


def test_a_series_comes_back_with_the_same_places_and_values(tmp_path: Path):
    values, grid = io.read_image(old_series(tmp_path / "old"))
    io.write_image(tmp_path / "new", values, grid)
    again, lattice = io.read_image(tmp_path / "new")
    assert torch.equal(again, values)
    assert lattice == grid
    assert np.abs(np.array(grid.affine) - np.array(lattice.affine)).max() < 1e-12
    for old, new, z in zip(
        datasets(tmp_path / "old"), datasets(tmp_path / "new"), HEIGHTS, strict=True
    ):
        # the decimals are those of the old files, to the last digit
        assert new.ImagePositionPatient[2].original_string == z
        assert list(new.ImagePositionPatient) == list(old.ImagePositionPatient)
        assert list(new.ImageOrientationPatient) == list(old.ImageOrientationPatient)
        assert list(new.PixelSpacing) == list(old.PixelSpacing)


def test_the_new_series_is_derived_from_the_old_one(tmp_path: Path):
    values, grid = io.read_image(old_series(tmp_path / "old"))
    with io.recording({"prior": "siren", "seed": 3}):
        io.write_image(tmp_path / "new", values, grid, description="fitted", rescale_type="HU")
    old, new = datasets(tmp_path / "old"), datasets(tmp_path / "new")
    for name in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "KVP"):
        assert new[0][name].value == old[0][name].value
    assert {d.SeriesInstanceUID for d in new}.isdisjoint(d.SeriesInstanceUID for d in old)
    assert len({d.SeriesInstanceUID for d in new}) == 1
    assert len({d.SOPInstanceUID for d in new} - {d.SOPInstanceUID for d in old}) == 4
    for k, dataset in enumerate(new):
        assert pydicom.uid.UID(dataset.SOPInstanceUID).is_valid
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert list(dataset.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        assert (dataset.DerivationDescription, dataset.RescaleType) == ("fitted", "HU")
        sources = [s.ReferencedSOPInstanceUID for s in dataset.SourceImageSequence]
        assert sources == [old[k].SOPInstanceUID]
        assert (0x0009, 0x0010) not in dataset  # private entries are the old image's own
    assert io.read_record(tmp_path / "new") == {"prior": "siren", "seed": 3}


def test_the_same_image_has_the_same_uids_and_another_one_others(tmp_path: Path):
    values, grid = torch.rand(4, 5, 1), grid_of((4, 5))
    for name, shown in (("a", values), ("b", values), ("c", values + 1)):
        io.write_image(tmp_path / f"{name}.dcm", shown, grid)
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()
    uids = {pydicom.dcmread(tmp_path / f"{n}.dcm").SOPInstanceUID for n in "abc"}
    assert len(uids) == 2


def test_between_two_slices_both_are_named(tmp_path: Path):
    _, grid = io.read_image(old_series(tmp_path / "old"))
    finer = Grid(grid.box, (4, 5, 8)).with_metadata(grid.metadata)
    affine = np.array(grid.affine)
    affine[:3, 3] -= affine[:3, 2] / 4
    affine[:3, 2] /= 2
    io.write_image(tmp_path / "new", torch.rand(4, 5, 8, 1), finer.with_affine(affine.tolist()))
    named = [
        [s.ReferencedSOPInstanceUID for s in d.SourceImageSequence]
        for d in datasets(tmp_path / "new")
    ]
    assert named[0] == ["1.2.3.1"]
    assert named[3] == ["1.2.3.2"]  # a quarter of a gap away; the next one is three quarters


@pytest.mark.parametrize("whole", [True, False])
def test_pixels_are_kept_to_half_a_slope_by_both_readers(tmp_path: Path, whole: bool):
    generator = torch.Generator().manual_seed(0)
    values = 3000 * torch.randn(16, 17, 3, 1, generator=generator)
    if whole:
        values = values.round()
    io.write_image(tmp_path / "new", values, grid_of((16, 17, 3)))
    back, grid = io.read_image(tmp_path / "new")
    assert grid == grid_of((16, 17, 3))
    files = datasets(tmp_path / "new")
    slope = float(files[0].RescaleSlope)
    theirs = np.stack([pydicom.pixels.apply_modality_lut(d.pixel_array, d) for d in files], -1)
    exact = values[..., 0].double().numpy()
    if whole:
        assert slope == 1
        assert torch.equal(back, values)
        assert np.array_equal(theirs, exact)
    else:
        assert slope < 1
        assert np.abs(theirs - exact).max() <= 0.501 * slope
        assert np.abs(back[..., 0].double().numpy() - exact).max() <= 0.501 * slope + 1e-3


@pytest.mark.parametrize("values", [[0.1, 0.1], [0.0, 1e-30], [-1e30, 3e30], [7.0, 70000.5]])
def test_levels_reach_from_the_least_to_the_largest(values: list[float]):
    array = np.array(values, np.float32)
    levels = levels_of(array)
    assert max(len(levels.slope), len(levels.intercept)) <= 16
    back = levels.stored * float(levels.slope) + float(levels.intercept)
    span = float(np.ptp(array.astype(float)))
    assert np.abs(back - array).max() <= 1e-5 * span + 1e-8 * np.abs(array).max()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (-0.0, "0"),
        (0.48828125, "0.48828125"),
        (-158.135803, "-158.135803"),
        (1 / 3, "0.333333333333"),
        (-2000 / 3, "-666.666666667"),
    ],
)
def test_decimal_strings_are_short_and_exact(number: float, text: str):
    assert decimal_string(number) == text
    assert len(text) <= 16


def test_a_lattice_that_runs_against_its_normal_comes_back_at_the_same_places(tmp_path: Path):
    values = torch.rand(3, 4, 2, 1)
    affine = np.diag([0.5, 1.25, 3.0, 1.0])
    io.write_image(tmp_path / "new", values, VOLUME.with_affine(affine.tolist()))
    back, grid = io.read_image(tmp_path / "new")
    assert (back - values.flip(2)).abs().max() < 1e-5
    there = np.array(grid.affine)
    assert there @ [0, 0, 1, 1] == pytest.approx(affine @ [0, 0, 0, 1])
    assert there @ [2, 3, 0, 1] == pytest.approx(affine @ [2, 3, 1, 1])


def test_an_image_of_no_series_is_a_secondary_capture(tmp_path: Path):
    io.write_image(tmp_path / "a.dcm", torch.rand(4, 5, 1), grid_of((4, 5)))
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert dataset.SOPClassUID.name == "Secondary Capture Image Storage"
    assert (dataset.Modality, dataset.PatientID) == ("OT", "")
    assert io.read_image(tmp_path / "a.dcm")[1] == grid_of((4, 5))


SHEARED = [[0.5, 0.3, 0, 0], [0, 1.2134, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("name", "values", "grid", "message"),
    [
        ("a", torch.full((3, 4, 2, 1), torch.nan), VOLUME, "24 of 24 values are NaN"),
        ("a", torch.rand(3, 4, 2, 2), VOLUME, "One channel"),
        ("a.dcm", torch.rand(3, 4, 2, 1), VOLUME, "3 axes is written to a folder"),
        ("a", torch.rand(3, 4, 1), grid_of((3, 4)), r"2 axes is written to a file ending in \.dcm"),
        ("a", torch.rand(3, 4, 2, 1), VOLUME.with_affine(SHEARED), "sheared"),
    ],
    ids=["NaN", "channels", "volume", "plane", "shear"],
)
def test_what_a_series_cannot_hold_is_refused(
    tmp_path: Path, name: str, values: torch.Tensor, grid: Grid, message: str
):
    with pytest.raises(ValueError, match=message):
        io.write_image(tmp_path / name, values, grid)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_never_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "new"
    folder.mkdir()
    io.write_image(folder, torch.rand(3, 4, 2, 1), VOLUME)  # an empty one is filled
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(FileExistsError, match="is no empty folder"):
        io.write_image(folder, torch.rand(3, 4, 2, 1), VOLUME)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before

    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(pydicom.Dataset, "save_as", full)
    with pytest.raises(OSError, match="disk full"):
        io.write_image(tmp_path / "other", torch.rand(3, 4, 2, 1), VOLUME)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
