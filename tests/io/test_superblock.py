"""HDF5 files that go on after their own end, which its library may never return from."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from cases.io import scan_file

from inverse_inr.io import FileFormatError, read_dxchange
from inverse_inr.io.superblock import goes_on_after_its_end


@pytest.mark.parametrize("block", [0, 512, 1024])
@pytest.mark.parametrize("version", ["earliest", "latest", "v110"])
def test_the_end_is_found_in_every_version(tmp_path: Path, version: str, block: int):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", userblock_size=block, libver=version) as file:
        file["x"] = np.ones(100)
        file.create_dataset("c", data=np.ones((50, 50)), chunks=(10, 10), compression="gzip")
        del file["x"]
    assert not goes_on_after_its_end(path)
    with path.open("ab") as stream:
        stream.write(bytes(100))
    assert goes_on_after_its_end(path)


def test_a_file_that_goes_on_is_refused(tmp_path: Path):
    path = scan_file(tmp_path / "a.h5")
    with path.open("ab") as stream:
        stream.write(bytes(256))
    with pytest.raises(FileFormatError, match="that says it ends earlier"):
        read_dxchange(path)


def test_another_format_has_no_end(tmp_path: Path):
    (tmp_path / "a.txt").write_text("no HDF5" * 1000)
    assert not goes_on_after_its_end(tmp_path / "a.txt")
