"""Spectral cubes from every format: values, wavelengths and units carried; what is not clear is refused by name."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

from inverse_inr import BandGrid, Grid
from inverse_inr.io import FileFormatError, SpectralCube, read_cube, write_envi

NM = np.array([450.0, 470.0, 500.0, 560.0, 640.0])
VALUES = np.random.default_rng(0).random((6, 7, 5)).astype(np.float32)


def v73(path: Path, arrays: dict[str, np.ndarray], *, header: bool = True) -> Path:
    """A file as MATLAB writes it: axes reversed, behind 512 bytes of its own."""
    with h5py.File(path, "w", userblock_size=512 if header else 0) as file:
        for name, array in arrays.items():
            file[name] = array.T
    if header:
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(128))
    return path


def equals(cube: SpectralCube, wavelengths: bool = True) -> bool:
    same = torch.equal(cube.values, torch.from_numpy(VALUES))
    return same and (not wavelengths or np.allclose(cube.wavelengths, NM))  # pyright: ignore[reportArgumentType]


def test_matlab_of_both_kinds(tmp_path: Path):
    savemat(tmp_path / "v5.mat", {"img": VALUES, "wavelengths": NM})
    assert equals(read_cube(tmp_path / "v5.mat"))
    assert equals(read_cube(v73(tmp_path / "v73.mat", {"img": VALUES, "wavelengths": NM[None]})))
    assert equals(
        read_cube(
            v73(tmp_path / "bare.mat", {"img": VALUES, "wavelengths": NM[None]}, header=False)
        )
    )


def test_npz_hdf5_and_tiff(tmp_path: Path):
    np.savez(tmp_path / "a.npz", cube=VALUES, wavelength=NM / 1000)  # in micrometres
    assert equals(read_cube(tmp_path / "a.npz"))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scene/rad"], file["scene/bands"] = (
            np.moveaxis(VALUES, -1, 0),
            NM,
        )  # as ICVL, bands first
    assert equals(read_cube(tmp_path / "a.h5"))
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(VALUES, -1, 0), photometric="minisblack")
    assert equals(read_cube(tmp_path / "a.tif", wavelengths=NM))
    assert equals(read_cube(tmp_path / "a.tif", bands="first"), wavelengths=False)


def test_envi_carries_wavelengths_and_units(tmp_path: Path):
    pytest.importorskip("spectral")
    write_envi(
        tmp_path / "a.hdr",
        SpectralCube(torch.from_numpy(VALUES), torch.from_numpy(NM), "W/(m2 sr nm)"),
    )
    cube = read_cube(tmp_path / "a.hdr")
    assert equals(cube)
    assert cube.units == "W/(m2 sr nm)"
    assert equals(read_cube(tmp_path / "a.img"))
    header = (tmp_path / "a.hdr").read_text().replace("Nanometers", "Micrometers")
    (tmp_path / "a.hdr").write_text(header)
    assert np.allclose(read_cube(tmp_path / "a.hdr").wavelengths, NM * 1000)  # pyright: ignore[reportArgumentType]
    (tmp_path / "a.img").unlink()
    with pytest.raises(FileFormatError, match=r"no data file beside it; looked for a, a\.img"):
        read_cube(tmp_path / "a.hdr")


def test_a_folder_as_cave_publishes_it(tmp_path: Path):
    from PIL import Image

    inner = tmp_path / "balloons_ms" / "balloons_ms"
    inner.mkdir(parents=True)
    for k in range(31):
        Image.fromarray(np.full((4, 5), 2000 * k, dtype=np.uint16)).save(
            inner / f"balloons_ms_{k + 1:02d}.png"
        )
    cube = read_cube(tmp_path / "balloons_ms")
    assert cube.values.shape == (4, 5, 31)
    assert torch.allclose(cube.values[0, 0], 2000 * torch.arange(31) / 65535)
    assert cube.wavelengths is not None
    assert cube.wavelengths[[0, -1]].tolist() == [400.0, 700.0]


def test_tsa_files_as_published(data):
    measured = read_cube  # the measurement is no cube: it says so
    with pytest.raises(FileFormatError, match=r"meas_real \(660, 714\)"):
        measured(data.file("tsa_real_scene1.mat"))


def test_bands_are_sorted_and_have_a_grid(tmp_path: Path):
    np.savez(tmp_path / "a.npz", cube=VALUES[..., ::-1], wavelengths=NM[::-1])
    cube = read_cube(tmp_path / "a.npz")
    assert equals(cube)
    assert isinstance(cube.grid, BandGrid)
    assert cube.grid.shape == (6, 7, 5)
    assert cube.grid.axes(torch.float64)[-1].tolist() == NM.tolist()
    assert type(read_cube(tmp_path / "a.npz", wavelengths=NM[0] + 10.0 * np.arange(5)).grid) is Grid


def test_which_axis_holds_the_bands_is_not_guessed(tmp_path: Path):
    np.savez(tmp_path / "a.npz", cube=VALUES)
    with pytest.raises(FileFormatError, match=r"\(6, 7, 5\) may have its bands first or last"):
        read_cube(tmp_path / "a.npz")
    assert read_cube(tmp_path / "a.npz", bands="first").values.shape == (7, 5, 6)
    assert read_cube(tmp_path / "a.npz", wavelengths=np.arange(6) + 400.0).values.shape == (7, 5, 6)
    with pytest.raises(FileFormatError, match="5 wavelengths, but the array has shape"):
        read_cube(tmp_path / "a.npz", wavelengths=NM, bands="first")
    with pytest.raises(FileFormatError, match="9 wavelengths"):
        read_cube(tmp_path / "a.npz", wavelengths=np.arange(9) + 400.0)
    np.savez(tmp_path / "b.npz", cube=VALUES[:5], wavelengths=NM)  # 5 rows and 5 bands
    with pytest.raises(FileFormatError, match="first or last"):
        read_cube(tmp_path / "b.npz")


def test_refuses_what_is_no_cube(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        read_cube(tmp_path / "none.mat")
    (tmp_path / "text.mat").write_text("not a matlab file")
    with pytest.raises(FileFormatError, match="found text"):
        read_cube(tmp_path / "text.mat")
    savemat(tmp_path / "two.mat", {"a": VALUES, "b": VALUES})
    with pytest.raises(FileFormatError, match="name it with key="):
        read_cube(tmp_path / "two.mat")
    with pytest.raises(FileFormatError, match=r"expected an array 'c'. Arrays: .*a \(6, 7, 5\)"):
        read_cube(tmp_path / "two.mat", "c")
    broken = v73(tmp_path / "broken.mat", {"img": VALUES})
    broken.write_bytes(broken.read_bytes()[:900])
    with pytest.raises(FileFormatError, match="damaged copy"):
        read_cube(broken)
    np.savez(tmp_path / "twice.npz", cube=VALUES, wavelengths=np.array([450.0, 470, 470, 560, 640]))
    with pytest.raises(FileFormatError, match="same wavelength"):
        read_cube(tmp_path / "twice.npz")
    with pytest.raises(ValueError, match="4 wavelengths for values"):
        SpectralCube(torch.from_numpy(VALUES), torch.from_numpy(NM[:4]))
    with pytest.raises(ValueError, match="must rise"):
        SpectralCube(torch.from_numpy(VALUES), torch.from_numpy(NM[::-1].copy()))


def test_pixels_that_cannot_be_trusted():
    values = torch.full((2, 2, 3), 0.5)
    values[0, 0, 1], values[1, 1, 2], values[0, 1, 0] = -0.1, 1.0, float("nan")
    assert SpectralCube(values).saturated(1.0).tolist() == [[True, True], [False, True]]
