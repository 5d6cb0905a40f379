"""The record of how an image was made is in every file that can hold one."""

from pathlib import Path
from typing import Any

import nibabel
import pytest
import torch
from cases.io import grid_of

from inverse_inr import io
from inverse_inr.io.provenance import current_record

RECORD = {"shape": [2], "learnt": torch.arange(3), "large": torch.zeros(9, 9), "µ": 1e-3}
SAID = {"shape": [2], "learnt": [0, 1, 2], "large": "Tensor of shape (9, 9)", "µ": 1e-3}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".npz", ".png", ".tif", ".dcm"])
def test_a_record_is_read_back_and_changes_no_value(tmp_path: Path, suffix: str):
    if suffix == ".dcm":
        pytest.importorskip("pydicom", reason="pydicom (the dicom extra) is not installed")
    values, grid = torch.rand(4, 5, 1), grid_of((4, 5))
    with io.recording(RECORD):
        io.write_image(tmp_path / f"a{suffix}", values, grid)
    io.write_image(tmp_path / f"b{suffix}", values, grid)
    assert io.read_record(tmp_path / f"a{suffix}") == SAID
    assert io.read_record(tmp_path / f"b{suffix}") is None
    with_it, without = (io.read_image(tmp_path / f"{name}{suffix}") for name in "ab")
    assert torch.equal(with_it[0], without[0])
    assert (with_it[1], with_it[1].affine) == (without[1], without[1].affine)


def test_hdf5_keeps_a_record_beside_its_tensors(tmp_path: Path):
    with io.recording(RECORD):
        io.write_hdf5(tmp_path / "a.h5", {"x": torch.ones(2)})
    assert io.read_record(tmp_path / "a.h5") == SAID
    assert torch.equal(io.read_hdf5(tmp_path / "a.h5", "x"), torch.ones(2))


def test_nifti_says_in_its_description_where_the_record_is(tmp_path: Path):
    with io.recording({"text": "x" * 5000}):
        io.write_image(tmp_path / "a.nii", torch.rand(3, 4, 1), grid_of((3, 4)))
    header: Any = nibabel.load(tmp_path / "a.nii").header  # pyright: ignore
    assert header["descrip"].item().startswith(b"inverse-inr")
    assert io.read_record(tmp_path / "a.nii") == {"text": "x" * 5000}


def test_an_inner_record_adds_to_the_outer_one():
    assert current_record() is None
    with io.recording({"a": 1, "b": 1}), io.recording({"b": 2}):
        assert current_record() == '{"a": 1, "b": 2}'
    assert current_record() is None


def test_a_record_that_is_damaged_or_cannot_be_is_named(tmp_path: Path):
    (tmp_path / "a.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt ")
    with pytest.raises(io.FileFormatError, match="WAV files hold no record"):
        io.read_record(tmp_path / "a.wav")
    (tmp_path / "b.nrrd").write_bytes(b"NRRD0004\ninverse-inr record:={\n\n")
    with pytest.raises(io.FileFormatError, match="its record is damaged"):
        io.read_record(tmp_path / "b.nrrd")
    with pytest.raises(io.FileFormatError, match=r"without a zarr array or \.dcm files"):
        io.read_record(tmp_path)
