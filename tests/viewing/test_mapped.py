"""Planes, lines and windows of images that stay in their files."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from cases.viewing.run_folder import grid_of, numbered

from inverse_inr.io import write_image
from inverse_inr.io.files import FileFormatError
from inverse_inr.viewing import mapped

SHAPE = (5, 6, 7)
UNITS = ("mm", "mm", "s")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_image(tmp_path / "a.npz", numbered(SHAPE, 3), grid_of(SHAPE, UNITS))
    return tmp_path / "a.npz"


def test_an_image_stays_in_its_file(path):
    image = mapped.open_mapped(path)
    assert isinstance(image.values, np.memmap)
    assert image.grid == grid_of(SHAPE, UNITS)
    np.testing.assert_array_equal(image.values, numbered(SHAPE, 3).numpy())


@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (0, 2), (2, 1)])
def test_a_plane_is_that_of_the_array(path, axes):
    found = mapped.plane(mapped.open_mapped(path), axes, (1, 2, 3), 1, "value")
    rest = ({0, 1, 2} - {*axes}).pop()
    whole = numbered(SHAPE, 3)[..., 1].select(rest, (1, 2, 3)[rest]).numpy()
    np.testing.assert_array_equal(found, whole if axes[0] < axes[1] else whole.T)


def test_colours_are_the_first_three_channels(path):
    found = mapped.plane(mapped.open_mapped(path), (0, 1), (0, 0, 4), None, "value")
    np.testing.assert_array_equal(found, numbered(SHAPE, 3)[:, :, 4].numpy())


def test_a_line_runs_along_an_axis_or_through_the_channels(path):
    image, values = mapped.open_mapped(path), numbered(SHAPE, 3).numpy()
    along = mapped.line(image, 2, (1, 2, 0), 2, "value")
    np.testing.assert_array_equal(along, values[1, 2, :, 2])
    np.testing.assert_array_equal(mapped.line(image, 3, (1, 2, 3), 0, "value"), values[1, 2, 3])
    mean = mapped.line(image, 0, (0, 2, 3), None, "value")
    np.testing.assert_allclose(mean, values[:, 2, 3].mean(-1), rtol=1e-6)


@pytest.mark.parametrize("part", ["modulus", "phase", "real", "imaginary"])
def test_a_complex_image_has_four_parts(tmp_path, part):
    values = torch.polar(1 + numbered((3, 4)), 3 * numbered((3, 4)))
    write_image(tmp_path / "c.npz", values, grid_of((3, 4), ("cm", "cm")))
    image = mapped.open_mapped(tmp_path / "c.npz")
    wanted = {"modulus": values.abs(), "phase": values.angle()}
    wanted |= {"real": values.real, "imaginary": values.imag}
    found = mapped.plane(image, (0, 1), (0, 0), 0, part)
    np.testing.assert_allclose(found, wanted[part][..., 0], rtol=1e-6, atol=1e-7)
    with pytest.raises(ValueError, match="part='value'"):
        mapped.plane(image, (0, 1), (0, 0), 0, "value")


def test_a_large_plane_is_thinned(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "MOST", 4)
    write_image(tmp_path / "a.npz", numbered((9, 3)), grid_of((9, 3), ("px", "px")))
    found = mapped.plane(mapped.open_mapped(tmp_path / "a.npz"), (0, 1), (8, 0), 0, "value")
    np.testing.assert_array_equal(found, numbered((9, 3))[::3, :, 0].numpy())
    assert mapped.step(9, 4) == 3


def test_a_window_leaves_out_what_is_rare_or_no_number(tmp_path):
    values = numbered((100, 100))
    values[0, 0], values[0, 1] = 1e6, float("nan")
    write_image(tmp_path / "a.npz", values, grid_of((100, 100), ("px", "px")))
    found = mapped.window(mapped.open_mapped(tmp_path / "a.npz"), "value")
    assert found["low"] < 0.002
    assert 0.997 < found["high"] < 1.0
    assert found["most"] == 1e6


def test_a_compressed_image_is_read_whole(path, tmp_path):
    with np.load(path) as arrays:
        np.savez_compressed(tmp_path / "small.npz", **arrays)
    image = mapped.open_mapped(tmp_path / "small.npz")
    np.testing.assert_array_equal(image.values, numbered(SHAPE, 3).numpy())


def test_damage_is_told(path, tmp_path):
    whole = path.read_bytes()
    cases = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"no archive at all",
    }
    for name, content in cases.items():
        bad = tmp_path / f"{name}.npz"
        bad.write_bytes(content)
        with pytest.raises(FileFormatError, match=f"{name}.npz: expected an image"):
            mapped.open_mapped(bad)


def test_an_array_that_is_no_image_is_refused(tmp_path):
    bad = tmp_path / "bad.npz"
    corners = {"lower": np.zeros(2), "upper": np.ones(2), "units": np.array(["cm", "cm"])}
    np.savez(bad, values=np.ones((3, 4)), **corners)
    with pytest.raises(FileFormatError, match="No channel axis"):
        mapped.open_mapped(bad)
    np.savez(bad, values=np.array(["a"]), **corners)
    with pytest.raises(FileFormatError, match="expected numbers"):
        mapped.open_mapped(bad)
    with zipfile.ZipFile(bad, "w") as archive:  # a header that claims more than there is
        header = "{'descr': '<f4', 'fortran_order': False, 'shape': (99999, 99999, 1), }"
        text = header.ljust(117) + "\n"
        archive.writestr("values.npy", b"\x93NUMPY\x01\x00v\x00" + text.encode() + b"1234")
    with pytest.raises(FileFormatError, match="more than the file holds"):
        mapped.open_mapped(bad)
