"""Files keep values, lattices and units: round trips of images and tensors."""

from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import torch
from cases.io import grid_of

from inverse_inr import io
from inverse_inr.domain import Box, Grid

OBLIQUE = np.array(
    [[-2, 0.3, 0.1, 117.9], [0.31, 1.9, -0.35, -35.7], [0.1, 0.32, 2.2, -7.2], [0, 0, 0, 1]],
    np.float32,
)
SIZES = np.linalg.norm(OBLIQUE[:3, :3].astype(float), axis=0)


# ---------------------------------------------------------------- round trips


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".npz"])
@pytest.mark.parametrize("shape", [(7, 10), (5, 9, 4), (1, 3, 2)], ids=str)
def test_round_trip_keeps_values_and_grid(tmp_path: Path, suffix: str, shape: tuple[int, ...]):
    values = torch.randn(*shape, 1)
    grid = grid_of(shape)
    values.view(-1)[0] = torch.nan
    io.write_image(tmp_path / f"a{suffix}", values, grid)
    back, lattice = io.read_image(tmp_path / f"a{suffix}")
    assert torch.equal(back.nan_to_num(9), values.nan_to_num(9))
    assert back.dtype == torch.float32
    assert lattice == grid


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".npz"])
def test_oblique_affine_is_kept_bit_for_bit(tmp_path: Path, suffix: str):
    grid = grid_of((5, 6, 7), tuple(SIZES)).with_affine(OBLIQUE.tolist())
    path = tmp_path / f"a{suffix}"
    io.write_image(path, torch.rand(5, 6, 7, 1), grid)
    _, lattice = io.read_image(path)
    assert lattice.affine == grid.affine
    assert lattice.spacing == pytest.approx(grid.spacing)
    io.write_image(path, torch.rand(5, 6, 7, 1), lattice)
    assert io.read_image(path)[1] == lattice


def test_npz_keeps_units_dimension_channels_and_complex_values(tmp_path: Path):
    grid = Grid(Box((-1, 0, 400, 2), (1, 0.1, 700, 3), ("cm", "m", "nm", "s")), (3, 2, 5, 4))
    values = torch.randn(3, 2, 5, 4, 2, dtype=torch.complex64)
    io.write_image(tmp_path / "a.NPZ", values.conj(), grid)
    back, lattice = io.read_image(tmp_path / "a.NPZ")
    assert torch.equal(back, values.conj().resolve_conj())
    assert lattice == grid
    assert lattice.affine is None


@pytest.mark.parametrize(("channels", "levels"), [(1, 65535), (3, 255)])
def test_png_round_trip_is_exact_on_its_levels(tmp_path: Path, channels: int, levels: int):
    values = torch.randint(0, levels + 1, (9, 14, channels)).double() / levels
    io.write_image(tmp_path / "a.png", values * 6 - 2, grid_of((9, 14)), value_range=(-2, 4))
    back, grid = io.read_image(tmp_path / "a.png")
    assert torch.equal(back, values.float())
    assert grid == Grid(Box((0, 0), (9, 14), ("px", "px")), (9, 14))


def test_png_clips_and_scales_8_bits(tmp_path: Path):
    from PIL import Image

    values = torch.tensor([[-1.0, 0.5, torch.inf]])[..., None]
    io.write_image(tmp_path / "a.png", values, grid_of((1, 3)))
    clipped = io.read_image(tmp_path / "a.png")[0].flatten().tolist()
    assert clipped == pytest.approx([0, 0.5, 1], abs=1e-5)
    Image.fromarray(np.array([[0, 51, 255]], np.uint8)).save(tmp_path / "b.png")
    assert io.read_image(tmp_path / "b.png")[0].flatten().tolist() == pytest.approx([0, 0.2, 1])


def test_hdf5_files_keep_tensors_types_and_attributes(tmp_path: Path):
    tensors = {
        "a/x": torch.randn(2, 3, dtype=torch.complex64),
        "n": torch.arange(4),
        "s": torch.tensor(2.5),
    }
    io.write_hdf5(tmp_path / "a.h5", tensors, {"unit": "mm", "n": 3})
    for name, tensor in tensors.items():
        back = io.read_hdf5(tmp_path / "a.h5", name)
        assert torch.equal(back, tensor)
        assert back.dtype == tensor.dtype
    with h5py.File(tmp_path / "a.h5", "r") as file:
        assert dict(file.attrs) == {"unit": "mm", "n": 3}
        assert list(file) == ["a", "n", "s"]


# ---------------------------------------------------------------- NIfTI


def test_nifti_of_a_box_puts_pixel_centres_where_the_box_says(tmp_path: Path):
    grid = Grid(Box((-1, 2), (1, 5), ("cm", "mm")), (4, 3))
    io.write_image(tmp_path / "a.nii", torch.rand(4, 3, 1), grid)
    affine = nibabel.load(tmp_path / "a.nii").affine  # pyright: ignore
    assert (affine @ [0, 0, 0, 1])[:2].tolist() == [-7.5, 2.5]
    assert (affine @ [3, 2, 0, 1])[:2].tolist() == [7.5, 4.5]


def test_nifti_in_micrometres_is_read_in_millimetres(tmp_path: Path):
    affine = np.diag([50.0, 50, 200, 1])
    image = nibabel.Nifti1Image(np.ones((2, 3, 4), np.int16), affine)  # pyright: ignore
    image.header.set_xyzt_units("micron")
    image.to_filename(tmp_path / "a.nii")
    _, grid = io.read_image(tmp_path / "a.nii")
    assert grid.spacing == pytest.approx((0.05, 0.05, 0.2))
    assert np.allclose(np.diag(np.array(grid.affine)), [0.05, 0.05, 0.2, 1])


FOUR_AXES = Path(nibabel.__file__).parent / "tests" / "data" / "example4d.nii.gz"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, io.FileFormatError, r"found 2 \(shape \(128, 96, 24, 2\)\).*volume=0"),
        ({"volume": 2}, ValueError, r"volume=2, but .* holds 2"),
    ],
    ids=["no volume", "beyond the last"],
)
def test_nifti_four_axes_need_a_volume(options: dict, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        io.read_image(FOUR_AXES, **options)


def test_nifti_volumes_are_read_one_by_one_or_all_as_channels(tmp_path: Path):
    both, grid = io.read_image(FOUR_AXES, volume=slice(None))
    one, _ = io.read_image(FOUR_AXES, volume=-1)
    image = nibabel.load(FOUR_AXES)
    assert torch.equal(one[..., 0], both[..., 1])
    assert np.array_equal(both.numpy(), image.get_fdata(dtype=np.float32))  # pyright: ignore
    assert grid.box.upper == pytest.approx((256, 192, 52.8), rel=1e-6)
    assert np.array_equal(grid.affine or (), image.affine)  # pyright: ignore
    io.write_image(tmp_path / "a.nii.gz", both, grid)
    again, lattice = io.read_image(tmp_path / "a.nii.gz", volume=slice(None))
    assert torch.equal(again, both)
    assert (lattice, lattice.affine) == (grid, grid.affine)


PLANE = grid_of((4, 3))


@pytest.mark.parametrize(
    ("values", "grid", "message"),
    [
        (
            torch.rand(4, 3, 1),
            Grid(Box((0, 0), (1, 1), ("mm", "nm")), (4, 3)),
            r"lengths.*\['nm'\].*\.npz",
        ),
        (
            torch.rand(4, 3, 1),
            PLANE.with_affine(OBLIQUE.tolist()),
            r"spacing is .* another resolution",
        ),
        (torch.rand(4, 3, 2), PLANE, r"2 channels of a 2-D grid"),
        (torch.rand(4, 3, 1) + 1j, PLANE, "complex"),
    ],
    ids=["units", "affine", "channels", "complex"],
)
def test_nifti_refuses_what_it_cannot_say(tmp_path: Path, values, grid: Grid, message: str):
    with pytest.raises(ValueError, match=message):
        io.write_image(tmp_path / "a.nii", values, grid)


def test_nifti_of_complex_numbers_is_refused(tmp_path: Path):
    path = tmp_path / "a.nii"
    image = nibabel.Nifti1Image(np.ones((2, 3), np.complex64), np.eye(4))  # pyright: ignore
    image.to_filename(path)
    with pytest.raises(io.FileFormatError, match="real numbers, found complex64"):
        io.read_image(path)
