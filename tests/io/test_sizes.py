"""Sizes that headers claim are compared with the file and the memory before anything is made."""

import gzip
import io as streams
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from cases.io import ct_file, grid_of

from inverse_inr import io, memory
from inverse_inr.io.sizes import DEFLATE, check_claim

HUGE = 300_000


def tiff(folder: Path) -> Path:
    """Two tags of the header say 300000: 83.8 GiB of bytes."""
    path = folder / "a.tif"
    tifffile.imwrite(path, np.zeros((6, 8), np.uint8))
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        places = [tags[code].valueoffset for code in (256, 257)]
    content = bytearray(path.read_bytes())
    for at in places:
        content[at : at + 4] = struct.pack("<I", HUGE)
    path.write_bytes(content)
    return path


def nifti(folder: Path) -> Path:
    path = folder / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 8, 4), np.float32), np.eye(4)), path)
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[42:48] = struct.pack("<3h", 30000, 30000, 30000)
    path.write_bytes(gzip.compress(bytes(content)))
    return path


def nrrd(folder: Path) -> Path:
    path = folder / "a.nrrd"
    head = f"NRRD0004\ntype: float\ndimension: 2\nsizes: {HUGE} {HUGE}\nendian: little\n"
    path.write_bytes(f"{head}encoding: gzip\n\n".encode() + gzip.compress(bytes(100)))
    return path


def npz(folder: Path) -> Path:
    path = folder / "a.npz"
    io.write_npz(path, torch.zeros(6, 8, 1), grid_of((6, 8)))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    head = streams.BytesIO()
    shape = (HUGE, HUGE, 1)
    np.lib.format.write_array_header_1_0(
        head, {"shape": shape, "fortran_order": False, "descr": "<f4"}
    )
    members["values.npy"] = head.getvalue() + bytes(64)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def dicom(folder: Path) -> Path:
    import pydicom

    dataset = pydicom.dcmread(ct_file())
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(folder / "a.dcm")
    return folder / "a.dcm"


def wav(folder: Path) -> Path:
    from scipy.io import wavfile

    path = folder / "a.wav"
    wavfile.write(path, 8000, np.zeros(100, np.int16))
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(content)
    return path


def png(folder: Path) -> Path:
    import zlib

    from PIL import Image

    path = folder / "a.png"
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">2I", 12000, 12000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "make", [tiff, nifti, nrrd, npz, dicom, wav, png], ids=lambda f: f.__name__
)
def test_a_header_that_claims_more_than_its_file_holds_is_refused(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = make(tmp_path)
    # whoever allocated first would meet this
    monkeypatch.setattr(memory, "available", lambda device=None: 2**20)
    with pytest.raises((io.FileFormatError, MemoryError), match=str(path)) as caught:
        io.read_image(path)
    assert "claims" in str(caught.value) or "memory" in str(caught.value)


def test_what_fits_the_file_and_not_the_memory_is_a_memory_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100))
    assert check_claim(path, (5, 5), 4) == 100
    monkeypatch.setattr(memory, "available", lambda device=None: 2**20)
    with pytest.raises(MemoryError, match=r"a\.bin: reading 50000 x 1000 values needs 381 MiB"):
        check_claim(path, (50000, 1000), 4, ratio=float("inf"))


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((26,), {}, "expected 26 values of 104 bytes, as its header claims, found 100 bytes"),
        ((-1, 3), {}, r"claims the shape \(-1, 3\)"),
        ((99,), {"held": 10}, "found 10 bytes, too few"),
        ((200_000,), {"ratio": DEFLATE}, "too few even compressed"),
    ],
)
def test_claims_that_cannot_be_are_refused(
    shape: tuple[int, ...], options: dict[str, float], message: str, tmp_path: Path
):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100))
    with pytest.raises(io.FileFormatError, match=message):
        check_claim(path, shape, 4, **options)
