"""Files: round trips, and what every reader and writer says of a file or an image that is not what it should be."""

import os
import stat
import sys
from math import pi
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import torch

from inverse_inr import io
from inverse_inr.domain import Box, Grid

DATA = Path(os.environ.get("INVERSE_INR_DATA", Path(__file__).parents[2] / "shared" / "data"))
OBLIQUE = np.array([[-2, 0.3, 0.1, 117.9], [0.31, 1.9, -0.35, -35.7], [0.1, 0.32, 2.2, -7.2], [0, 0, 0, 1]], np.float32)
SIZES = np.linalg.norm(OBLIQUE[:3, :3].astype(float), axis=0)
SUFFIXES = [".nii", ".nii.gz", ".npz", ".png"]


def grid_of(shape: tuple[int, ...], spacing: tuple[float, ...] = (0.5, 1.25, 3.0)) -> Grid:
    upper = tuple(n * h for n, h in zip(shape, spacing, strict=False))
    return Grid(Box((0,) * len(shape), upper, ("mm",) * len(shape)), shape)


def example(suffix: str, folder: Path) -> Path:
    """A small valid file of each format."""
    torch.manual_seed(0)
    path = folder / f"example{suffix}"
    if suffix == ".dcm":
        path.write_bytes(ct_file().read_bytes())
    elif suffix == ".h5":
        scan_file(path)
    else:
        io.write_image(path, torch.rand(31, 40, 1), grid_of((31, 40)))
    return path


def read(path: Path) -> object:
    return io.read_dxchange(path) if path.suffix == ".h5" else io.read_image(path)


def write(path: Path) -> None:
    if path.suffix == ".h5":
        io.write_hdf5(path, {"x": torch.ones(3)})
    else:
        io.write_image(path, torch.rand(3, 4, 1), grid_of((3, 4)))


# ---------------------------------------------------------------- round trips


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".npz"])
@pytest.mark.parametrize("shape", [(7, 10), (5, 9, 4), (1, 3, 2)], ids=str)
def test_round_trip_keeps_values_and_grid(tmp_path: Path, suffix: str, shape: tuple[int, ...]):
    values, grid = torch.randn(*shape, 1), grid_of(shape)
    values.view(-1)[0] = torch.nan
    io.write_image(tmp_path / f"a{suffix}", values, grid)
    back, lattice = io.read_image(tmp_path / f"a{suffix}")
    assert torch.equal(back.nan_to_num(9), values.nan_to_num(9))
    assert back.dtype == torch.float32
    assert lattice == grid


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".npz"])
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

    io.write_image(tmp_path / "a.png", torch.tensor([[-1.0, 0.5, torch.inf]])[..., None], grid_of((1, 3)))
    assert io.read_image(tmp_path / "a.png")[0].flatten().tolist() == pytest.approx([0, 0.5, 1], abs=1e-5)
    Image.fromarray(np.array([[0, 51, 255]], np.uint8)).save(tmp_path / "b.png")
    assert io.read_image(tmp_path / "b.png")[0].flatten().tolist() == pytest.approx([0, 0.2, 1])


def test_hdf5_round_trip(tmp_path: Path):
    tensors = {"a/x": torch.randn(2, 3, dtype=torch.complex64), "n": torch.arange(4), "s": torch.tensor(2.5)}
    io.write_hdf5(tmp_path / "a.h5", tensors, {"unit": "mm", "n": 3})
    for name, tensor in tensors.items():
        back = io.read_hdf5(tmp_path / "a.h5", name)
        assert torch.equal(back, tensor)
        assert back.dtype == tensor.dtype
    with h5py.File(tmp_path / "a.h5", "r") as file:
        assert dict(file.attrs) == {"unit": "mm", "n": 3}
        assert [k for k in file] == ["a", "n", "s"]


# ---------------------------------------------------------------- NIfTI


def test_nifti_of_a_box_puts_pixel_centres_where_the_box_says(tmp_path: Path):
    grid = Grid(Box((-1, 2), (1, 5), ("cm", "mm")), (4, 3))
    io.write_image(tmp_path / "a.nii", torch.rand(4, 3, 1), grid)
    affine = nibabel.load(tmp_path / "a.nii").affine  # pyright: ignore
    assert (affine @ [0, 0, 0, 1])[:2].tolist() == [-7.5, 2.5]
    assert (affine @ [3, 2, 0, 1])[:2].tolist() == [7.5, 4.5]


def test_nifti_in_micrometres_is_read_in_millimetres(tmp_path: Path):
    image = nibabel.Nifti1Image(np.ones((2, 3, 4), np.int16), np.diag([50.0, 50, 200, 1]))  # pyright: ignore
    image.header.set_xyzt_units("micron")
    image.to_filename(tmp_path / "a.nii")
    _, grid = io.read_image(tmp_path / "a.nii")
    assert grid.spacing == pytest.approx((0.05, 0.05, 0.2))
    assert np.allclose(np.diag(np.array(grid.affine)), [0.05, 0.05, 0.2, 1])


def test_nifti_four_axes_need_a_volume(tmp_path: Path):
    path = Path(nibabel.__file__).parent / "tests" / "data" / "example4d.nii.gz"
    with pytest.raises(io.FileFormatError, match=r"found 2 \(shape \(128, 96, 24, 2\)\).*volume=0"):
        io.read_image(path)
    with pytest.raises(ValueError, match=r"volume=2, but .* holds 2"):
        io.read_image(path, volume=2)
    both, grid = io.read_image(path, volume=slice(None))
    one, _ = io.read_image(path, volume=-1)
    image = nibabel.load(path)
    assert torch.equal(one[..., 0], both[..., 1])
    assert np.array_equal(both.numpy(), image.get_fdata(dtype=np.float32))  # pyright: ignore
    assert grid.box.upper == pytest.approx((256, 192, 52.8), rel=1e-6)
    assert np.array_equal(grid.affine or (), image.affine)  # pyright: ignore
    io.write_image(tmp_path / "a.nii.gz", both, grid)
    again, lattice = io.read_image(tmp_path / "a.nii.gz", volume=slice(None))
    assert torch.equal(again, both)
    assert (lattice, lattice.affine) == (grid, grid.affine)


def test_nifti_refuses_what_it_cannot_say(tmp_path: Path):
    path, values = tmp_path / "a.nii", torch.rand(4, 3, 1)
    with pytest.raises(ValueError, match=r"lengths.*\['nm'\].*\.npz"):
        io.write_image(path, values, Grid(Box((0, 0), (1, 1), ("mm", "nm")), (4, 3)))
    with pytest.raises(ValueError, match=r"spacing is .* another resolution"):
        io.write_image(path, values, grid_of((4, 3)).with_affine(OBLIQUE.tolist()))
    with pytest.raises(ValueError, match=r"2 channels of a 2-D grid"):
        io.write_image(path, values.expand(4, 3, 2), grid_of((4, 3)))
    with pytest.raises(ValueError, match="complex"):
        io.write_image(path, values + 1j, grid_of((4, 3)))
    nibabel.Nifti1Image(np.ones((2, 3), np.complex64), np.eye(4)).to_filename(path)  # pyright: ignore
    with pytest.raises(io.FileFormatError, match="real numbers, found complex64"):
        io.read_image(path)


# ---------------------------------------------------------------- wrong files


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".dcm", ".h5"])
class TestBadFiles:
    def test_truncated(self, tmp_path: Path, suffix: str):
        whole = example(suffix, tmp_path).read_bytes()
        for size in (len(whole) // 3, len(whole) * 2 // 3, len(whole) - 200):  # CT_small ends in 138 bytes of padding
            path = tmp_path / f"short{suffix}"
            path.write_bytes(whole[:size])
            with pytest.raises(io.FileFormatError, match=rf"short\{suffix}: expected .*, found ") as caught:
                read(path)
            assert caught.value.__suppress_context__  # nothing of the library's own traceback

    def test_text_empty_and_other_format(self, tmp_path: Path, suffix: str):
        path = tmp_path / f"a{suffix}"
        path.write_text("hello, not an image\n" * 30)
        with pytest.raises(io.FileFormatError, match=rf"a\{suffix}: expected .* text of 600 bytes .*hello"):
            read(path)
        path.write_bytes(b"")
        with pytest.raises(io.FileFormatError, match="found an empty file"):
            read(path)
        other = ".npz" if suffix == ".png" else ".png"
        path.write_bytes(example(other, tmp_path).read_bytes())
        with pytest.raises(io.FileFormatError, match=f"found a {'ZIP' if suffix == '.png' else 'PNG'} file of"):
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
    with pytest.raises(TypeError, match=r"write_png has no option 'range'; its options: value_range"):
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
    with pytest.raises(io.FileFormatError, match=r"\['upper', 'units'\] missing, found \['lower', 'values'\]"):
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
    for shape, slip in [((3, 4), "No channel axis"), ((4, 3, 1), "Transposed"), ((3, 5, 1), "channels come last")]:
        with pytest.raises(ValueError, match=rf"values have shape .*{slip}"):
            io.write_image(path, torch.rand(shape), grid)
    assert not os.listdir(tmp_path)


def test_png_refuses_nan_and_an_empty_range(tmp_path: Path):
    values, grid = torch.full((3, 4, 1), torch.nan), grid_of((3, 4))
    with pytest.raises(ValueError, match="12 of 12 values are NaN"):
        io.write_image(tmp_path / "a.png", values, grid)
    with pytest.raises(ValueError, match="low < high"):
        io.write_image(tmp_path / "a.png", values.nan_to_num(), grid, value_range=(1, 0))


WRITES = [(".nii", "nibabel.Nifti1Image.to_filename"), (".npz", "numpy.savez"), (".png", "PIL.Image.Image.save"),
          (".h5", "h5py.File.create_dataset")]  # fmt: skip


@pytest.mark.parametrize(("suffix", "function"), WRITES)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                            suffix: str, function: str):  # fmt: skip
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
    with pytest.raises(FileNotFoundError, match="does not exist"), io.atomic_write(tmp_path / "no" / "a.npz"):
        pass


# ---------------------------------------------------------------- DICOM


def ct_file() -> Path:
    data = pytest.importorskip("pydicom.data", reason="pydicom (the dicom extra) is not installed")
    return Path(str(data.get_testdata_file("CT_small.dcm")))


def series(folder: Path, heights: list[float], **changes: object) -> Path:
    """CT_small as a series: one file a height (mm), named against their order, pixel (0, 0) holding the index."""
    import pydicom

    folder.mkdir(exist_ok=True)
    for i, z in enumerate(heights):
        dataset = pydicom.dcmread(ct_file())
        dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], z]
        pixels = dataset.pixel_array.copy()
        pixels[0, 0] = i
        dataset.PixelData = pixels.tobytes()
        for name, value in changes.items():
            setattr(dataset, name, value)
        dataset.save_as(folder / f"{len(changes)}{99 - i}.dcm")
    return folder


def test_ct_slice():
    values, grid = io.read_image(ct_file())
    assert values.shape == (128, 128, 1)
    assert grid.spacing == pytest.approx((0.661468, 0.661468))
    assert (values.min(), values.max()) == (-896, 1167)
    mu, _ = io.read_image(ct_file(), attenuation=True, mu_water=0.02)
    assert torch.allclose(mu, (0.02 * (1 + values / 1000)).clamp(min=0))


def test_series_is_sorted_along_its_normal_and_placed_in_the_world(tmp_path: Path):
    folder = series(tmp_path / "ct", [5.0, 0.0, 2.5])
    (folder / "readme.txt").write_text("passed over")
    values, grid = io.read_image(folder)
    assert values.shape == (128, 128, 3, 1)
    assert grid.spacing == pytest.approx((0.661468, 0.661468, 2.5))
    assert (values[0, 0, :, 0] + 1024).tolist() == [1, 2, 0]
    affine = np.array(grid.affine)
    assert affine[:3, 3].tolist() == pytest.approx([158.135803, 179.035797, 0])  # LPS to RAS
    assert affine[:3, 0].tolist() == pytest.approx([0, -0.661468, 0])  # the row index goes to the back of the patient
    io.write_image(tmp_path / "a.nii", values, grid)
    assert io.read_image(tmp_path / "a.nii")[1].shape == grid.shape


def test_series_faults_are_named(tmp_path: Path):
    with pytest.raises(io.FileFormatError, match=r"gaps of 1 to 2 mm.*missing or repeated"):
        io.read_image(series(tmp_path / "gap", [0.0, 1.0, 2.0, 4.0]))
    with pytest.raises(io.FileFormatError, match=r"found 2: .*1\.2\.3"):
        io.read_image(series(series(tmp_path / "mixed", [0.0, 1.0]), [2.0], SeriesInstanceUID="1.2.3"))
    with pytest.raises(io.FileFormatError, match=r"share one spacing; .*\(1\.0, 2\.0\)"):
        io.read_image(series(series(tmp_path / "spacing", [0.0, 1.0]), [2.0], PixelSpacing=[1, 2]))
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    with pytest.raises(io.FileFormatError, match=r"none among 0 files. Meant one of its folders \['inner'\]"):
        io.read_image(tmp_path / "empty")


def test_dicom_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = ct_file().parent
    with pytest.raises(ValueError, match="found modality MR"):
        io.read_image(folder / "MR_small.dcm", attenuation=True)
    with pytest.raises(io.FileFormatError, match="found 15 frames"):
        io.read_image(folder / "rtdose.dcm")
    import pydicom

    monkeypatch.setattr(pydicom.Dataset, "pixel_array", property(lambda _: 1 / 0))
    with pytest.raises(io.FileFormatError, match=r"can be decoded, found JPEG-LS.*pip install"):
        io.read_image(folder / "MR_small_jpeg_ls_lossless.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImportError, match=r'pip install "inverse-inr\[dicom\]"'):
        io.read_image(tmp_path)


# ---------------------------------------------------------------- DXchange


def scan_file(path: Path, theta: int = 7, units: object = "degrees", without: str = "") -> Path:
    data = np.arange(7 * 5 * 6, dtype=np.uint16).reshape(7, 5, 6)
    with h5py.File(path, "w") as file:
        for name, array in {"data": data, "data_white": data[:3] + 1000, "data_dark": data[:2]}.items():
            if name != without:
                file[f"exchange/{name}"] = array
        file["exchange/theta"] = np.linspace(0, 180, theta)
        file["exchange/theta"].attrs["units"] = units
    return path


def test_dxchange_means_angles_and_lazy_rows(tmp_path: Path):
    path = scan_file(tmp_path / "a.h5")
    scan = io.read_dxchange(path)
    assert scan.counts.shape == (7, 5, 6)
    assert torch.equal(scan.white, scan.counts[:3].mean(0) + 1000)
    assert torch.equal(scan.dark, scan.counts[:2].mean(0))
    assert scan.angles.tolist() == pytest.approx([k * pi / 6 for k in range(7)])
    for rows, index in [(2, slice(2, 3)), (-1, slice(4, 5)), (slice(1, None, 2), slice(1, None, 2))]:
        part = io.read_dxchange(path, rows=rows)
        assert torch.equal(part.counts, scan.counts[:, index])
        assert torch.equal(part.white, scan.white[index])
    for rows in (5, slice(5, 9), slice(None, None, -1)):
        with pytest.raises(ValueError, match=r"rows=.* 5 detector rows"):
            io.read_dxchange(path, rows=rows)


@pytest.mark.parametrize("units", ["radians", b"rad", np.array(["radian"], object)], ids=["str", "bytes", "array"])
def test_dxchange_honours_radians(tmp_path: Path, units: object):
    assert io.read_dxchange(scan_file(tmp_path / "a.h5", units=units)).angles[-1] == 180


def test_dxchange_faults_are_named(tmp_path: Path):
    path = tmp_path / "a.h5"
    with pytest.raises(io.FileFormatError, match=r"'exchange/data_white', found nothing.*exchange/data_dark, exch"):
        io.read_dxchange(scan_file(path, without="data_white"))
    with pytest.raises(io.FileFormatError, match=r"8 angles and exchange/data 7 projections"):
        io.read_dxchange(scan_file(path, theta=8))
    with pytest.raises(io.FileFormatError, match="found units 'furlong'"):
        io.read_dxchange(scan_file(path, units="furlong"))
    with pytest.raises(io.FileFormatError, match="found a group"):
        io.read_hdf5(path, "exchange")


def test_tooth():
    if not (DATA / "tooth.h5").is_file():
        pytest.skip(f"real data: no tooth.h5 in {DATA} (set INVERSE_INR_DATA)")
    scan = io.read_dxchange(DATA / "tooth.h5")
    assert scan.counts.shape == (181, 2, 640)
    assert scan.white.shape == scan.dark.shape == (2, 640)
    assert (scan.angles[0], scan.angles[-1]) == (0, pytest.approx(pi * 180 / 181))
    assert scan.dark.mean() < scan.counts.mean() < scan.white.mean()
    assert torch.equal(io.read_dxchange(DATA / "tooth.h5", rows=1).counts, scan.counts[:, 1:])
