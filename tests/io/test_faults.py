"""Readers name wrong files, writers name wrong images, and a failed write leaves the old file."""

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
    def test_truncated_files_are_named(self, tmp_path: Path, suffix: str):
        whole = example(suffix, tmp_path).read_bytes()
        size = len(whole)
        # CT_small ends in 138 bytes of padding: a cut must be longer than that
        for kept in (size // 3, size * 2 // 3, size - 200):
            path = tmp_path / f"short{suffix}"
            path.write_bytes(whole[:kept])
            message = rf"short\{suffix}: expected .*, found "
            with pytest.raises(io.FileFormatError, match=message) as caught:
                read(path)
            assert caught.value.__suppress_context__  # nothing of the library's own traceback

    def test_a_text_is_named_with_its_beginning(self, tmp_path: Path, suffix: str):
        path = tmp_path / f"a{suffix}"
        path.write_text("hello, not an image\n" * 30)
        message = rf"a\{suffix}: expected .* text of 600 bytes .*hello"
        with pytest.raises(io.FileFormatError, match=message):
            read(path)

    def test_an_empty_file_is_named(self, tmp_path: Path, suffix: str):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"")
        with pytest.raises(io.FileFormatError, match="found an empty file"):
            read(path)

    def test_a_file_of_another_format_is_named(self, tmp_path: Path, suffix: str):
        other, kind = ".png", "PNG"
        if suffix == ".png":
            other, kind = ".npz", "ZIP"
        path = tmp_path / f"a{suffix}"
        path.write_bytes(example(other, tmp_path).read_bytes())
        with pytest.raises(io.FileFormatError, match=f"found a {kind} file of"):
            read(path)

    def test_missing_names_the_nearest(self, tmp_path: Path, suffix: str):
        example(suffix, tmp_path)
        with pytest.raises(FileNotFoundError, match=rf"Did you mean 'example\{suffix}'"):
            read(tmp_path / f"exmaple{suffix}")

    def test_missing_folder_is_named(self, tmp_path: Path, suffix: str):
        with pytest.raises(FileNotFoundError, match=r"the folder .* does not exist"):
            read(tmp_path / "no" / f"a{suffix}")


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("a.pngg", {}, ValueError, r"suffix '\.pngg'; supported: \.png, "),
        ("a.jpg", {}, ValueError, "read only"),
        (
            "a.png",
            {"range": (0, 1)},
            TypeError,
            r"write_png has no option 'range'; its options: value_range",
        ),
    ],
    ids=["suffix", "read only", "option"],
)
def test_writing_answers_a_wrong_name_with_the_nearest(
    tmp_path: Path, name: str, options: dict, error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        io.write_image(tmp_path / name, torch.rand(3, 4, 1), grid_of((3, 4)), **options)


def test_reading_answers_a_suffix_of_another_reader_with_that_reader(tmp_path: Path):
    with pytest.raises(ValueError, match=r"'\.h5'.*read_dxchange"):
        io.read_image(tmp_path / "a.h5")


def test_reading_answers_a_wrong_option_with_those_there_are(tmp_path: Path):
    with pytest.raises(TypeError, match="its options: volume"):
        io.read_image(example(".nii", tmp_path), volum=0)


def test_an_npy_file_is_no_npz_file(tmp_path: Path):
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(io.FileFormatError, match=r"npy file .*np\.save"):
        io.read_image(path)


NPZ_BOX = {"lower": np.zeros(2), "upper": np.ones(2), "units": np.array(["mm", "mm"])}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"values": np.ones((3, 4)), "lower": NPZ_BOX["lower"]},
            r"\['upper', 'units'\] missing, found \['lower', 'values'\]",
        ),
        ({"values": np.ones((3, 4)), **NPZ_BOX}, "No channel axis"),
        ({"values": np.array([{}], dtype=object), **NPZ_BOX}, "allow_pickle=False"),
    ],
    ids=["arrays missing", "no channels", "pickled"],
)
def test_npz_faults_are_named(tmp_path: Path, arrays: dict, message: str):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(io.FileFormatError, match=message):
        io.read_image(tmp_path / "a.npz")


# ---------------------------------------------------------------- writing


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("shape", "slip"),
    [
        ((3, 4), "No channel axis"),
        ((4, 3, 1), "Transposed"),
        ((3, 5, 1), "channels come last"),
    ],
    ids=["no channels", "transposed", "wider"],
)
def test_values_that_do_not_fit_the_grid_are_refused(
    tmp_path: Path, suffix: str, shape: tuple[int, ...], slip: str
):
    with pytest.raises(ValueError, match=rf"values have shape .*{slip}"):
        io.write_image(tmp_path / f"a{suffix}", torch.rand(shape), grid_of((3, 4)))
    assert not list(tmp_path.iterdir())


def test_png_refuses_nan(tmp_path: Path):
    values = torch.full((3, 4, 1), torch.nan)
    with pytest.raises(ValueError, match="12 of 12 values are NaN"):
        io.write_image(tmp_path / "a.png", values, grid_of((3, 4)))


def test_png_refuses_an_empty_range(tmp_path: Path):
    values = torch.zeros(3, 4, 1)
    with pytest.raises(ValueError, match="low < high"):
        io.write_image(tmp_path / "a.png", values, grid_of((3, 4)), value_range=(1, 0))


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
        assert len(list(tmp_path.iterdir())) == 2  # the old file and the temporary one
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(function, full)
    with pytest.raises(OSError, match="No space left"):
        write(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_atomic_write_keeps_mode_and_links(tmp_path: Path):
    real = tmp_path / "real.npz"
    link = tmp_path / "link.npz"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    with io.atomic_write(link) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".npz")
        temporary.write_bytes(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_atomic_write_into_a_missing_folder_is_refused(tmp_path: Path):
    with (
        pytest.raises(FileNotFoundError, match="does not exist"),
        io.atomic_write(tmp_path / "no" / "a.npz"),
    ):
        pass
