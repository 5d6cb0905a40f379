"""MATLAB files of version 7.3: every kind of value that HDF5 holds for MATLAB."""

import h5py
import numpy as np
import pytest

from inverse_inr.io import FileFormatError
from inverse_inr.io.matlab73 import matlab73_struct, matlab73_variable


@pytest.fixture
def path(tmp_path):
    """A file of one struct with an array, text, a cell, an empty array and a struct."""
    name = tmp_path / "a.mat"
    with h5py.File(name, "w", userblock_size=512) as file:
        data = file.create_group("data")
        data["array"] = np.arange(6.0).reshape(3, 2)
        data["text"] = np.array([[ord(c)] for c in "HH"], np.uint16)
        data["text"].attrs["MATLAB_class"] = np.bytes_("char")
        data["empty"] = np.array([0, 3], np.uint64)
        data["empty"].attrs["MATLAB_empty"] = 1
        data.create_group("inner")["k"] = np.array([[7.0]])
        parts = file.create_group("#refs#")
        parts["a"] = np.array([[1.0]])
        parts["b"] = np.array([[2.0, 3.0]])
        data["cell"] = np.array([[parts["a"].ref], [parts["b"].ref]], h5py.ref_dtype)
        data["words"] = np.array([b"ab"], "S2")
    return name


def test_a_struct_is_a_dictionary_of_what_matlab_shows(path):
    with h5py.File(path, "a") as file:
        del file["data/words"]
    found = matlab73_struct(path, "data")
    np.testing.assert_array_equal(found["array"], np.arange(6.0).reshape(3, 2).T)
    assert found["text"] == "HH"
    assert found["empty"].shape == (0, 3)
    assert found["inner"]["k"] == 7.0
    assert [part.tolist() for part in found["cell"]] == [[[1.0]], [[2.0], [3.0]]]


@pytest.mark.parametrize(
    ("name", "message"),
    [("date", "expected variable 'date'; variables: data"), ("data", "words holds no numbers")],
)
def test_what_is_no_number_is_named(path, name, message):
    with pytest.raises(FileFormatError, match=message):
        matlab73_variable(path, name)


def test_a_struct_that_holds_itself_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w") as file:
        data = file.create_group("data")
        data["again"] = data
    with pytest.raises(FileFormatError, match="A loop"):
        matlab73_struct(tmp_path / "a.mat", "data")


def test_an_array_is_no_struct(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["data"] = np.ones(3)
    with pytest.raises(FileFormatError, match="no 1 x 1 struct"):
        matlab73_struct(tmp_path / "a.mat", "data")
