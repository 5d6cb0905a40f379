"""K-space in arrays: axes by name, unclear ones refused; fastMRI's zero-filled columns."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from cases.mrd import NX, NY, coil_images, kspace_of

from inverse_inr.io import FileFormatError, SelectionError, read_kspace
from inverse_inr.problems.kspace import kspace_scan

K = kspace_of(coil_images()).astype(np.complex64)
SLICES = np.stack([K, 2 * K, 3 * K, 4 * K])
VOLUME = kspace_of(coil_images((16, 18, 20))).astype(np.complex64)


def saved(folder: Path, values: np.ndarray) -> Path:
    np.save(folder / "a.npy", values)
    return folder / "a.npy"


def assert_same(values: torch.Tensor, expected: np.ndarray) -> None:
    torch.testing.assert_close(values, torch.from_numpy(np.ascontiguousarray(expected)))


def test_four_axes_that_may_be_slices_or_a_volume_are_refused(tmp_path: Path):
    path = saved(tmp_path, SLICES)
    with pytest.raises(FileFormatError, match=r"4 slices of 3 coils .* 4 coils of a volume"):
        read_kspace(path)
    with pytest.raises(FileFormatError, match=r"slice=.*coil_axis=0.*axes="):
        kspace_scan(str(path))


@pytest.mark.parametrize(
    ("order", "options"),
    [
        ((0, 1, 2, 3), {"slice": 2}),
        ((0, 1, 2, 3), {"axes": "slice coil x y", "slice": 2}),
        ((1, 0, 2, 3), {"slice": 2, "coil_axis": 0}),
        ((2, 3, 1, 0), {"axes": "x y coil slice", "slice": 2}),
        ((0, 3, 2, 1), {"axes": "slice,y,x,coil", "slice": -2}),
        ((0, 1, 2, 3), {"axes": "repetition coil x y", "repetition": 2}),
    ],
)
def test_axes_are_read_as_they_are_named(tmp_path: Path, order: tuple[int, ...], options: dict):
    path = saved(tmp_path, SLICES.transpose(order))
    raw = read_kspace(path, **options)
    assert_same(raw.values, 3 * K)
    # without a choice the middle slice is read, and the first of everything else
    name = "repetition" if "repetition" in options else "slice"
    if "axes" in options:
        default = read_kspace(path, axes=options["axes"])
        assert_same(default.values, (1 if name == "repetition" else 3) * K)
        assert f"of 0 to 3 (default; {name}=..." in default.notes[name]


def test_averages_in_an_array_are_averaged(tmp_path: Path):
    path = saved(tmp_path, SLICES)
    assert_same(read_kspace(path, axes="average coil x y").values, 2.5 * K)
    assert_same(read_kspace(path, axes="average coil x y", average=0).values, K)


def test_a_volume_is_told_by_the_energy_along_its_axis_or_by_a_keyword(tmp_path: Path):
    path = saved(tmp_path, VOLUME)
    raw = read_kspace(path)
    assert_same(raw.values, VOLUME)
    assert "concentrated" in raw.notes["axes"]
    assert_same(read_kspace(path, coil_axis=0).values, VOLUME)
    moved = saved(tmp_path, np.moveaxis(VOLUME, 0, -1))
    assert_same(read_kspace(moved, coil_axis=-1).values, VOLUME)
    assert_same(read_kspace(moved, axes="x y z coil").values, VOLUME)


def test_a_volume_of_one_coil_is_not_taken_for_coils(tmp_path: Path):
    path = saved(tmp_path, VOLUME[0])
    with pytest.raises(FileFormatError, match='axes="x y z"'):
        read_kspace(path)
    assert_same(read_kspace(path, axes="x y z").values, VOLUME[:1])


def test_numbers_beyond_single_precision_are_refused(tmp_path: Path):
    huge = K.astype(np.complex128)
    huge[0, 3, 3] = 1e200
    with pytest.raises(FileFormatError, match="NaN or Inf"):
        read_kspace(saved(tmp_path, huge))


SLIPS = {
    "slice beyond": (SLICES, {"slice": 4}, "slice=4, but the file holds 4: 0 to 3"),
    "slice of an image": (K[0], {"slice": 0}, "expected .slices, coils, x, y."),
    "no axis left": (K, {"slice": 0, "coil_axis": 0}, "no axis left for slices"),
    "coil axis beyond": (K, {"coil_axis": 3}, "coil_axis=3, but the array has 3 axes"),
    "both": (K, {"coil_axis": 0, "axes": "coil x y"}, "give one"),
    "unknown name": (K, {"axes": "coils x y"}, "must name the 3 axes"),
    "too few names": (K, {"axes": "x y"}, "must name the 3 axes"),
    "a name twice": (K, {"axes": "x x y"}, "must name the 3 axes"),
    "no y": (K, {"axes": "slice coil x"}, "must have x and y"),
    "counter without axis": (K, {"contrast": 1}, "no axis is called contrast"),
    "noise scan": (K, {"noise_scan": "n.h5"}, "a .npy array has no noise_scan"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_of_the_caller_is_no_damage_of_the_array(tmp_path: Path, slip: str):
    values, options, message = SLIPS[slip]
    path = saved(tmp_path, values)
    with pytest.raises(SelectionError, match=message) as caught:
        read_kspace(path, **options)
    assert "damaged" not in str(caught.value)


# --- fastMRI ------------------------------------------------------------------------------------


def fastmri(path: Path, k: np.ndarray, **attributes: int) -> Path:
    with h5py.File(path, "w") as file:
        file["kspace"] = k
        file.attrs.update(attributes)
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slice": 9}, "slice=9, but the file holds 4: 0 to 3"),
        ({"slice": -5}, "slice=-5, but the file holds 4"),
        ({"contrast": 1}, "a fastMRI file has no contrast"),
    ],
)
def test_a_slip_of_the_caller_is_no_damage_of_the_file(tmp_path: Path, options: dict, message: str):
    path = fastmri(tmp_path / "a.h5", SLICES)
    for read in (read_kspace, lambda p, **o: kspace_scan(str(p), **o)):
        with pytest.raises(SelectionError, match=message) as caught:
            read(path, **options)
        assert "damaged" not in str(caught.value)


def padded(left: int, right: int) -> np.ndarray:
    k = SLICES.copy()
    k[..., :left] = 0
    k[..., NY - right :] = 0
    return k


@pytest.mark.parametrize("said", [True, False], ids=["attributes", "exact zeros"])
def test_zero_filled_columns_are_not_taken_for_missing(tmp_path: Path, said: bool):
    attributes = {"padding_left": 3, "padding_right": NY - 2} if said else {}
    path = fastmri(tmp_path / "a.h5", padded(3, 2), **attributes)
    raw = read_kspace(path, slice=0)
    assert raw.fully_sampled
    assert not raw.mask[:, :3].any()
    problem = kspace_scan(str(path), slice=0, acceleration=2.0, calibration=10)
    assert problem.reference is not None
    assert problem.notes["fully sampled"]
    expected = "attributes" if said else "exact zeros"
    assert problem.notes["zero-filled columns"].startswith(f"5 of {NY} ({expected}")


def test_zeros_on_one_side_are_a_partial_scan(tmp_path: Path):
    path = fastmri(tmp_path / "a.h5", padded(8, 0))
    raw = read_kspace(path, slice=0)
    assert not raw.fully_sampled
    assert kspace_scan(str(path), slice=0, acceleration=2.0, calibration=10).reference is None


def test_missing_inner_lines_are_missing(tmp_path: Path):
    k = padded(3, 3)
    k[..., 6] = 0
    path = fastmri(tmp_path / "a.h5", k, padding_left=3, padding_right=NY - 3)
    assert not read_kspace(path, slice=0).fully_sampled


def test_padding_that_contradicts_the_array_is_refused(tmp_path: Path):
    path = fastmri(tmp_path / "a.h5", SLICES, padding_left=5, padding_right=NY + 4)
    with pytest.raises(FileFormatError, match=f"padding_right={NY + 4} of {NY} columns"):
        read_kspace(path, slice=0)


def test_an_array_in_hdf5_is_read_by_its_name_and_axes(tmp_path: Path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["mine/ksp"] = SLICES.transpose(1, 0, 2, 3)
    path = tmp_path / "a.h5"
    raw = read_kspace(path, dataset="mine/ksp", axes="coil slice x y", slice=1)
    assert_same(raw.values, 2 * K)
    with pytest.raises(FileFormatError, match="unclear"):
        read_kspace(path, dataset="mine/ksp")
    with pytest.raises(SelectionError, match="dataset='other', but the file holds mine/ksp"):
        read_kspace(path, dataset="other")
    assert raw.values.shape == (3, NX, NY)


def test_pairs_of_real_and_imaginary_parts_are_complex(tmp_path: Path):
    """MATLAB's own HDF5 keeps complex numbers in this way."""
    pairs = np.zeros(K.shape, np.dtype([("real", "f4"), ("imag", "f4")]))
    pairs["real"], pairs["imag"] = K.real, K.imag
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["ksp"] = pairs
    assert_same(read_kspace(tmp_path / "a.h5", dataset="ksp").values, K)
