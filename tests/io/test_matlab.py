"""MATLAB files of version 4 to 7: values as MATLAB shows them, and damage that ended scipy."""

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases.fuzz import faults
from cases.fuzzed_formats import FORMATS, matlab_content
from scipy.io import loadmat, savemat

from inverse_inr.io import FileFormatError, matlab_struct, read_matlab
from inverse_inr.io.matlab import matlab_variables


def saved(path: Path, compressed: bool = False, **variables: Any) -> Path:
    savemat(path, variables, do_compression=compressed)
    return path


KINDS = ["f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "c8", "c16"]


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_class(tmp_path: Path, kind: str, compressed: bool):
    values = np.arange(24).reshape(2, 3, 4).astype(kind)
    if np.iscomplexobj(values):
        values = values + 1j
    path = saved(tmp_path / "a.mat", compressed, x=values)
    found = read_matlab(path, "x")
    assert found.dtype == values.dtype
    assert np.array_equal(found, values)


def test_what_scipy_reads_is_read_alike(tmp_path: Path):
    path = saved(tmp_path / "a.mat", True, **matlab_content())
    ours, theirs = matlab_variables(path), loadmat(path)
    assert list(ours) == [k for k in theirs if not k.startswith("__")]
    assert ours["flags"].dtype == bool
    assert (ours["sparse"] != theirs["sparse"]).nnz == 0
    assert ours["cell"][0, 1].tolist() == ["word"]
    assert np.array_equal(ours["cell"][0, 0], theirs["cell"][0, 0])
    record = matlab_struct(path, "record")
    assert record["inner"]["name"].tolist() == ["inner"]
    assert record["inner"]["depth"].dtype == np.int16


def test_texts_are_one_a_row(tmp_path: Path):
    path = saved(tmp_path / "a.mat", s="żółw", two=np.array(["abc", "de "]))
    assert read_matlab(path, "s").tolist() == ["żółw"]
    assert read_matlab(path, "two").tolist() == ["abc", "de "]


def test_empty_arrays_keep_their_shape(tmp_path: Path):
    path = saved(tmp_path / "a.mat", e=np.zeros((0, 3)), x=np.ones((1, 1)))
    assert read_matlab(path, "e").shape == (0, 3)


def test_integers_that_stand_for_doubles_are_doubles_again(tmp_path: Path):
    """MATLAB stores doubles that are small whole numbers as bytes."""
    path = saved(tmp_path / "a.mat", x=np.array([[7.0]]))
    content = bytearray(path.read_bytes())
    at = content.rindex(struct.pack("<d", 7.0)) - 8
    content[at : at + 16] = struct.pack("<HH4s8x", 2, 1, b"\x07\0\0\0")
    path.write_bytes(content)
    found = read_matlab(path, "x")
    assert found.dtype == np.float64
    assert found.tolist() == [[7.0]]


def test_version_4_is_read(tmp_path: Path):
    savemat(tmp_path / "a.mat", {"x": np.eye(3)}, format="4")
    assert np.array_equal(read_matlab(tmp_path / "a.mat", "x"), np.eye(3))


def test_big_endian_files_are_read(tmp_path: Path):
    def element(code: int, data: bytes) -> bytes:
        return struct.pack(">II", code, len(data)) + data + bytes(-len(data) % 8)

    inside = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 1, 2))
    inside += element(1, b"x") + element(9, struct.pack(">2d", 1.5, -2.5))
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    (tmp_path / "a.mat").write_bytes(head + element(14, inside))
    assert read_matlab(tmp_path / "a.mat", "x").tolist() == [[1.5, -2.5]]


# --- damage ---------------------------------------------------------------------------------------


def at_the_dimensions(content: bytearray) -> bytearray:
    content[160:164] = struct.pack("<i", 2**30)
    return content


def negative(content: bytearray) -> bytearray:
    content[160:164] = struct.pack("<i", -3)
    return content


def at_the_class(content: bytearray) -> bytearray:
    content[144] = 77
    return content


def longer(content: bytearray) -> bytearray:
    content[132:136] = struct.pack("<I", 2**31)
    return content


def version(content: bytearray) -> bytearray:
    content[125] = 9
    return content


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (at_the_dimensions, r"has 12 values for dimensions of"),
        (negative, r"has the dimensions \(-3, 4\)"),
        (at_the_class, "of class 77"),
        (longer, r"claims 2147483648 bytes where 1\d\d are left"),
        (version, "one that says 9"),
        (lambda c: c[:150], "truncated or damaged"),
        (lambda c: c + b"\1\2\3", "3 are left"),
        (lambda c: bytearray(b"no MATLAB file at all, but a text"), "text of 33 bytes"),
        (lambda c: c + c[128:], "variable 'x' stands twice"),
    ],
    ids=["size", "negative", "class", "length", "version", "cut", "rest", "text", "twice"],
)
def test_damage_is_named(tmp_path: Path, damage: Callable[[bytearray], bytearray], message: str):
    path = saved(tmp_path / "a.mat", x=np.arange(12.0).reshape(3, 4))
    path.write_bytes(damage(bytearray(path.read_bytes())))
    with pytest.raises(FileFormatError, match=rf"a\.mat: .*{message}"):
        matlab_variables(path)


def test_a_flipped_bit_of_a_compressed_part_is_seen(tmp_path: Path):
    path = saved(tmp_path / "a.mat", True, x=np.arange(12.0).reshape(3, 4))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # of the checksum
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="a compressed part"):
        read_matlab(path, "x")


def test_the_byte_that_ended_the_interpreter(data, tmp_path: Path):
    """The reader of scipy 1.17 dies of a segmentation fault on some of these."""
    content = bytearray(data.file("tsa_sim_mask_256.mat").read_bytes())
    content_before = content[255]
    for value in range(0, 256, 15):
        content[255] = value
        (tmp_path / "a.mat").write_bytes(content)
        if value == content_before:
            continue
        with pytest.raises(FileFormatError, match=re.escape(str(tmp_path / "a.mat"))):
            read_matlab(tmp_path / "a.mat", "mask")


def test_an_object_is_named_where_it_is_asked_for(tmp_path: Path):
    path = saved(tmp_path / "a.mat", x=np.ones((1, 1)), y=np.ones((2, 2)))
    content = bytearray(path.read_bytes())
    content[144] = 16  # x becomes a function handle
    path.write_bytes(content)
    assert list(matlab_variables(path)) == ["y"]
    with pytest.raises(FileFormatError, match="'x' is a MATLAB function handle, which is not read"):
        read_matlab(path, "x")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["matlab 5", "matlab 5, compressed"])
def test_thousands_of_damaged_files(name: str, tmp_path: Path):
    assert faults(FORMATS[name](tmp_path), range(5000)) == []
