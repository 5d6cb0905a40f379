"""Files of k-space: NumPy, fastMRI and ISMRMRD say the same, and damaged ones are refused."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from cases.kspace_files import HEADER, SHAPE, scanned, write_ismrmrd
from torch import Tensor

from inverse_inr.io import FileFormatError, read_kspace
from inverse_inr.problems.kspace import kspace_scan


@pytest.fixture(scope="module")
def full() -> Tensor:
    return scanned()


@pytest.fixture
def halved(tmp_path: Path, full: Tensor) -> tuple[Path, Tensor]:
    """A folder with every format of half the lines of k-space, and the mask of these lines."""
    lines = [*range(0, SHAPE[1], 2), SHAPE[1] // 2 + 1]
    mask = torch.zeros(SHAPE, dtype=torch.bool)
    mask[:, lines] = True
    np.save(tmp_path / "a.npy", (full * mask).numpy())
    np.save(tmp_path / "b.npy", (full * mask).movedim(0, -1).numpy())
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["kspace"] = torch.stack([torch.zeros_like(full), full, torch.zeros_like(full)]).numpy()
        file["mask"] = mask[0].numpy()
        file["ismrmrd_header"] = HEADER.format(*SHAPE, SHAPE[1] // 2)
    write_ismrmrd(tmp_path / "d.h5", full, lines + lines)  # two averages
    return tmp_path, mask


@pytest.mark.parametrize(
    ("name", "options", "spacing"),
    [
        ("a.npy", {}, None),
        ("b.npy", {"coil_axis": -1}, None),
        ("c.h5", {"slice": 1}, (2.0, 2.0)),
        ("d.h5", {}, (2.0, 2.0)),
    ],
    ids=["NumPy", "NumPy, coils last", "fastMRI", "ISMRMRD"],
)
def test_formats_say_the_same(
    halved: tuple[Path, Tensor], full: Tensor, name: str, options: dict[str, int], spacing: Any
):
    folder, mask = halved
    raw = read_kspace(folder / name, **options)
    torch.testing.assert_close(raw.values, full * mask)
    assert torch.equal(raw.mask, mask)
    assert raw.spacing == spacing


def test_a_slice_beyond_the_file_is_refused(halved: tuple[Path, Tensor]):
    with pytest.raises(ValueError, match="slice=3, but the file holds 3"):
        read_kspace(halved[0] / "c.h5", slice=3)


def _swapped(x: np.ndarray) -> np.ndarray:
    return np.fft.ifftshift(x, (1, 2))


BAD: dict[str, tuple[Any, str]] = {
    "fft order": (_swapped, "In the order of an FFT"),
    "off centre": (lambda x: np.roll(x, 12, 1), "not at the centre"),
    "image": (np.abs, "expected complex"),
    "coils last": (lambda x: np.moveaxis(x, 0, -1), "Pass coil_axis=2"),
    "nan": (lambda x: np.where(np.arange(x.shape[1])[None, :, None] == 3, np.nan, x), "NaN"),
    "empty": (np.zeros_like, "zero everywhere"),
    "axes": (lambda x: x[0, 0], "axes of space"),
}


@pytest.mark.parametrize("slip", BAD)
def test_an_array_that_is_no_k_space_is_refused(tmp_path: Path, full: Tensor, slip: str):
    change, message = BAD[slip]
    np.save(tmp_path / "bad.npy", change(full.numpy()))
    with pytest.raises(FileFormatError, match=message):
        kspace_scan(str(tmp_path / "bad.npy"))


def write_bad_files(folder: Path, full: Tensor) -> None:
    """A damaged file, one of something else, one whose mask does not fit, two odd ISMRMRD files."""
    with h5py.File(folder / "good.h5", "w") as file:
        file["kspace"] = full[None].numpy()
    whole = (folder / "good.h5").read_bytes()
    (folder / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with h5py.File(folder / "other.h5", "w") as file:
        file["image"] = np.zeros(3)
    with h5py.File(folder / "mask.h5", "w") as file:
        file["kspace"] = full[None].numpy()
        file["mask"] = np.ones(7)
    write_ismrmrd(folder / "radial.h5", full, [1, 2], trajectory_dimensions=2)
    write_ismrmrd(folder / "long.h5", full, [1, 2], number_of_samples=99)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cut.h5", "truncated or damaged"),
        ("other.h5", "found image"),
        ("mask.h5", "mask has 7 entries"),
        ("radial.h5", "not Cartesian"),
        ("long.h5", "does not fit"),
    ],
)
def test_a_file_that_is_no_k_space_is_refused(
    tmp_path: Path, full: Tensor, name: str, message: str
):
    write_bad_files(tmp_path, full)
    with pytest.raises(FileFormatError, match=message):
        read_kspace(tmp_path / name)


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read_kspace(tmp_path / "none.h5")


def test_a_mask_that_is_inverted_is_refused(tmp_path: Path):
    lines = torch.zeros(SHAPE[1], dtype=torch.bool)
    lines[::2] = True
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["kspace"] = (scanned() * lines)[None].numpy()
        file["mask"] = (~lines).numpy()
    with pytest.raises(FileFormatError, match=r"mask keeps 18 of 36 lines.*Inverted"):
        kspace_scan(str(tmp_path / "a.h5"))
