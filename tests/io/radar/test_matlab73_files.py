"""Radar files that MATLAB saved with -v7.3 give what their v5 twins give."""

import h5py
import numpy as np
import pytest
import torch

from inverse_inr.io import FileFormatError, read_cv_domes, read_gotcha

PULSES, TONES = 5, 12


def gotcha_fields() -> dict[str, np.ndarray]:
    """A small GOTCHA struct, each number of its own."""
    draw = np.random.default_rng(0)
    fp = draw.normal(size=(TONES, PULSES)) + 1j * draw.normal(size=(TONES, PULSES))
    row = {n: 7e3 + draw.normal(size=(1, PULSES)) for n in ("x", "y", "z")}
    freq = np.linspace(9.3e9, 9.9e9, TONES)[:, None]
    return {"fp": fp, "freq": freq, **row, "r0": np.full((1, PULSES), 1.21e4)}


def domes_fields() -> dict[str, np.ndarray]:
    """A small CV Domes struct."""
    hh = np.arange(TONES * PULSES).reshape(TONES, PULSES) * (1 + 2j)
    azimuth = np.arange(PULSES, dtype=float)[:, None]
    frequency = np.linspace(8, 9, TONES)[:, None]
    return {"hh": hh, "FGHz": frequency, "azim": azimuth, "elev": np.array([[30.0]])}


def put(group: h5py.Group, name: str, value: object) -> None:
    """Write a value as MATLAB does: axes reversed, complex numbers as pairs, structs as groups."""
    if isinstance(value, dict):
        inner = group.create_group(name)
        inner.attrs["MATLAB_class"] = np.bytes_("struct")
        for key, part in value.items():
            put(inner, key, part)
        return
    array = np.asarray(value).T
    if np.iscomplexobj(array):
        pairs = np.zeros(array.shape, [("real", "f8"), ("imag", "f8")])
        pairs["real"], pairs["imag"] = array.real, array.imag
        array = pairs
    group[name] = array


def save73(path, **variables):
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            put(file, name, value)
    content = bytearray(path.read_bytes())
    content[:19] = b"MATLAB 7.3 MAT-file"
    path.write_bytes(content)
    return path


def save5(path, **variables):
    from scipy.io import savemat

    savemat(path, variables)
    return path


@pytest.mark.parametrize(
    ("read", "fields"), [(read_gotcha, gotcha_fields()), (read_cv_domes, domes_fields())]
)
def test_both_versions_are_read_alike(tmp_path, read, fields):
    old = read(save5(tmp_path / "a5.mat", data=fields))
    new = read(save73(tmp_path / "a73.mat", data=fields))
    assert old.y.shape == (PULSES, TONES)
    for a, b in zip(old[:6], new[:6], strict=True):
        assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))


@pytest.mark.parametrize("save", [save5, save73])
def test_autofocus_is_read_from_both_versions(tmp_path, save):
    af = {"r_correct": np.full((1, PULSES), 0.01), "ph_correct": np.full((1, PULSES), 0.2)}
    path = save(tmp_path / "a.mat", data=gotcha_fields() | {"af": af})
    plain = read_gotcha(path)
    turn = read_gotcha(path, autofocus=True).y / plain.y
    expected = -4 * np.pi * plain.frequencies * 0.01 / 299_792_458.0 + 0.2
    assert float((turn - torch.polar(torch.ones(TONES), expected.float())).abs().max()) < 1e-5


@pytest.mark.parametrize("save", [save5, save73])
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"other": np.ones(3)}, "expected variable 'data'"),
        ({"data": np.ones((2, 3))}, "no 1 x 1 struct"),
        ({"data": {"fp": np.ones((2, 3), complex)}}, "has no"),
        ({"data": gotcha_fields() | {"x": np.ones((1, PULSES)) * 1j}}, "x must be real"),
        (
            {"data": gotcha_fields() | {"fp": np.ones((2, 3), complex)}},
            "expected .frequencies, pulses",
        ),
    ],
    ids=["variable", "array", "field", "complex place", "shape"],
)
def test_structs_that_are_no_gotcha_are_refused(tmp_path, save, variables, message):
    with pytest.raises(FileFormatError, match=message):
        read_gotcha(save(tmp_path / "a.mat", **variables))
