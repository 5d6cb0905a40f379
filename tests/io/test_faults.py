"""What readers say of wrong files and writers of wrong images, and that a failed write leaves the old file."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from cases.io import SUFFIXES, example, grid_of, read, write

from inverse_inr import io

# ---------------------------------------------------------------- wrong files


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".dcm", ".h5"])
class TestBadFiles:
    def test_truncated(self, tmp_path: Path, suffix: str):
        whole = example(suffix, tmp_path).read_bytes()
        for size in (
            len(whole) // 3,
            len(whole) * 2 // 3,
            len(whole) - 200,
        ):  # CT_small ends in 138 bytes of padding
            path = tmp_path / f"short{suffix}"
            path.write_bytes(whole[:size])
            with pytest.raises(
                io.FileFormatError, match=rf"short\{suffix}: expected .*, found "
            ) as caught:
                read(path)
            assert caught.value.__suppress_context__  # nothing of the library's own traceback

    def test_text_empty_and_other_format(self, tmp_path: Path, suffix: str):
        path = tmp_path / f"a{suffix}"
        path.write_text("hello, not an image\n" * 30)
        with pytest.raises(
            io.FileFormatError, match=rf"a\{suffix}: expected .* text of 600 bytes .*hello"
        ):
            read(path)
        path.write_bytes(b"")
        with pytest.raises(io.FileFormatError, match="found an empty file"):
            read(path)
        other = ".npz" if suffix == ".png" else ".png"
        path.write_bytes(example(other, tmp_path).read_bytes())
        with pytest.raises(
            io.FileFormatError, match=f"found a {'ZIP' if suffix == '.png' else 'PNG'} file of"
        ):
            read(path)

    def test_missing_names_the_nearest(self, tmp_path: Path, suffix: str):
        example(suffix, tmp_path)
        with pytest.raises(FileNotFoundError, match=rf"Did you mean 'example\{suffix}'"):
            read(tmp_path / f"exmaple{suffix}")
        with pytest.raises(FileNotFoundError, match=r"the folder .* does not exist"):
            read(tmp_path / "no" / f"a{suffix}")


def test_unknown_suffix_and_option_are_answered_with_the_nearest(tmp_path: Path):
    values, grid = torch.rand(3, 4, 1), grid_of((3, 4))
    with pytest.raises(ValueError, match=r"suffix '\.pngg'; supported: \.png, "):
        io.write_image(tmp_path / "a.pngg", values, grid)
    with pytest.raises(ValueError, match=r"'\.h5'.*read_dxchange"):
        io.read_image(tmp_path / "a.h5")
    with pytest.raises(ValueError, match="read only"):
        io.write_image(tmp_path / "a.dcm", values, grid)
    with pytest.raises(
        TypeError, match=r"write_png has no option 'range'; its options: value_range"
    ):
        io.write_image(tmp_path / "a.png", values, grid, range=(0, 1))
    with pytest.raises(TypeError, match="its options: volume"):
        io.read_image(example(".nii", tmp_path), volum=0)


def test_npz_faults_are_named(tmp_path: Path):
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(io.FileFormatError, match=r"npy file .*np\.save"):
        io.read_image(path)
    box = {"lower": np.zeros(2), "upper": np.ones(2), "units": np.array(["mm", "mm"])}
    np.savez(path, values=np.ones((3, 4)), lower=box["lower"])
    with pytest.raises(
        io.FileFormatError, match=r"\['upper', 'units'\] missing, found \['lower', 'values'\]"
    ):
        io.read_image(path)
    np.savez(path, values=np.ones((3, 4)), **box)
    with pytest.raises(io.FileFormatError, match="No channel axis"):
        io.read_image(path)
    np.savez(path, values=np.array([{}], dtype=object), **box)
    with pytest.raises(io.FileFormatError, match="allow_pickle=False"):
        io.read_image(path)


@pytest.mark.parametrize("mode", ["P", "LA", "RGBA"])
def test_png_of_other_kinds_is_refused(tmp_path: Path, mode: str):
    from PIL import Image

    Image.new(mode, (4, 3)).save(tmp_path / "a.png")
    with pytest.raises(io.FileFormatError, match=r"8-bit RGB|palette"):
        io.read_image(tmp_path / "a.png")


# ---------------------------------------------------------------- writing


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_values_that_do_not_fit_the_grid_are_refused(tmp_path: Path, suffix: str):
    path, grid = tmp_path / f"a{suffix}", grid_of((3, 4))
    for shape, slip in [
        ((3, 4), "No channel axis"),
        ((4, 3, 1), "Transposed"),
        ((3, 5, 1), "channels come last"),
    ]:
        with pytest.raises(ValueError, match=rf"values have shape .*{slip}"):
            io.write_image(path, torch.rand(shape), grid)
    assert not os.listdir(tmp_path)


def test_png_refuses_nan_and_an_empty_range(tmp_path: Path):
    values, grid = torch.full((3, 4, 1), torch.nan), grid_of((3, 4))
    with pytest.raises(ValueError, match="12 of 12 values are NaN"):
        io.write_image(tmp_path / "a.png", values, grid)
    with pytest.raises(ValueError, match="low < high"):
        io.write_image(tmp_path / "a.png", values.nan_to_num(), grid, value_range=(1, 0))


WRITES = [
    (".nii", "nibabel.Nifti1Image.to_filename"),
    (".nrrd", "os.fsync"),
    (".npz", "numpy.savez"),
    (".png", "PIL.Image.Image.save"),
    (".h5", "h5py.File.create_dataset"),
]


@pytest.mark.parametrize(("suffix", "function"), WRITES)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, function: str
):
    path = example(suffix, tmp_path)
    before = path.read_bytes()

    def full(*arguments: object, **_: object) -> None:
        for target in arguments:
            if isinstance(target, Path):
                target.write_bytes(b"half")
        assert len(os.listdir(tmp_path)) == 2  # the old file and the temporary one
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(function, full)
    with pytest.raises(OSError, match="No space left"):
        write(path)
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_bytes() == before


def test_atomic_write_keeps_mode_and_links(tmp_path: Path):
    real, link = tmp_path / "real.npz", tmp_path / "link.npz"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    with io.atomic_write(link) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".npz")
        temporary.write_bytes(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    with (
        pytest.raises(FileNotFoundError, match="does not exist"),
        io.atomic_write(tmp_path / "no" / "a.npz"),
    ):
        pass
