"""Volumes that are written slab by slab: every format reads back as the whole, in little memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, SampledField, Solution, Term, fidelity, sample
from inverse_inr.io import read_hdf5, read_image
from inverse_inr.solver import volumes

BOX = Box((-1.0, 0.0, 2.0), (1.0, 3.0, 4.5), units=("mm", "mm", "mm"))
GRID = Grid(BOX, (5, 6, 7))


def wave(points: Tensor) -> Tensor:
    return torch.sin(points @ points.new_tensor([1.0, 2.0, 3.0]))[..., None]


def two(points: Tensor) -> Tensor:
    return torch.cat([wave(points), 2 * wave(points)], -1)


def turning(points: Tensor) -> Tensor:
    return torch.exp(1j * wave(points))


def solution(field: object = wave) -> Solution:
    class Origin:
        def __len__(self) -> int:
            return 1

        def __call__(self, rows: Tensor):
            return torch.tensor([[0.0, 1.0, 3.0]]).expand(len(rows), 3), lambda v: v[:, 0]

    problem = Problem([Term(Origin(), torch.zeros(1), fidelity.L2())], BOX, GRID)
    return Solution(field, problem, "wave")  # type: ignore[arg-type]


def zarr(folder: Path) -> np.ndarray:
    """Read an uncompressed array of zarr's version 2, as its specification says."""
    about = json.loads((folder / ".zarray").read_text())
    whole = np.empty(about["shape"], about["dtype"])
    layers = about["chunks"][0]
    for k in range(-(-about["shape"][0] // layers)):
        name = ".".join([str(k), *["0"] * (len(about["shape"]) - 1)])
        chunk = np.fromfile(folder / name, about["dtype"]).reshape(about["chunks"])
        part = whole[k * layers : (k + 1) * layers]
        part[:] = chunk[: len(part)]
    return whole


def read(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".zarr":
        return zarr(path)
    if path.suffix == ".h5":
        return read_hdf5(path, "image").numpy()
    return read_image(path)[0][..., 0].numpy()


@pytest.mark.parametrize("name", ["v.npy", "v.h5", "v.zarr", "v.nii", "v.nii.gz"])
@pytest.mark.parametrize("layers", [1, 2, 100], ids=["layers", "pairs", "whole"])
def test_every_format_reads_back(
    name: str, layers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(volumes, "VOXELS_AT_ONCE", layers * 42)
    path = solution().write(tmp_path / name, average=1)
    expected = sample(wave, GRID)[..., 0].numpy()
    np.testing.assert_allclose(read(path), expected, rtol=1e-5, atol=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == [name]  # nothing temporary is left


@pytest.mark.parametrize("name", ["v.npy", "v.h5", "v.zarr"])
@pytest.mark.parametrize("field", [two, turning], ids=["channels", "complex"])
def test_channels_and_complex_numbers_are_kept(name: str, field: object, tmp_path: Path):
    path = solution(field).write(tmp_path / name, average=1)
    expected = sample(field, GRID).squeeze(-1).numpy()  # type: ignore[arg-type]
    np.testing.assert_allclose(read(path), expected, rtol=1e-5, atol=1e-6)


def test_nifti_holds_moduli_and_the_place(tmp_path: Path):
    fine = Grid(BOX, (10, 9, 8))
    path = solution(turning).write(tmp_path / "v.nii.gz", fine, average=2)
    values, grid = read_image(path)
    assert grid.shape == fine.shape
    assert grid.spacing == pytest.approx(fine.spacing)
    assert grid.affine is not None
    assert grid.affine[2][3] == pytest.approx(2 + 2.5 / 16)
    expected = sample(turning, fine, average=2).abs()
    torch.testing.assert_close(values, expected.to(values), rtol=1e-5, atol=1e-6)


def test_hdf5_and_zarr_say_where_the_voxels_lie(tmp_path: Path):
    import h5py

    solution().write(tmp_path / "v.h5")
    with h5py.File(tmp_path / "v.h5") as file:
        dataset = file["image"]
        assert list(dataset.attrs["spacing"]) == pytest.approx(GRID.spacing)
        assert list(dataset.attrs["units"]) == ["mm"] * 3
    place = json.loads((solution().write(tmp_path / "v.zarr") / ".zattrs").read_text())
    assert place["lower"] == list(BOX.lower)


def test_an_older_array_is_replaced_and_anything_else_is_not(tmp_path: Path):
    target = tmp_path / "v.zarr"
    solution().write(target)
    solution().write(target, Grid(BOX, (2, 2, 2)))
    assert zarr(target).shape == (2, 2, 2)
    other = tmp_path / "notes.zarr"
    other.mkdir()
    (other / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="no zarr array"):
        solution().write(other)
    assert (other / "mine.txt").exists()


@pytest.mark.parametrize(
    ("name", "field", "message"),
    [
        ("v.png", wave, "PNG holds"),
        ("v.nii", two, "2 channels"),
        ("missing/v.npy", wave, "does not exist"),
        ("missing/v.zarr", wave, "does not exist"),
    ],
)
def test_what_cannot_be_written_is_refused(name: str, field: object, message: str, tmp_path: Path):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        solution(field).write(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_broken_field_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(volumes, "VOXELS_AT_ONCE", 42)
    calls = 0

    def breaks(points: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise RuntimeError("broken")
        return wave(points)

    with pytest.raises(RuntimeError, match="broken"):
        solution(breaks).write(tmp_path / "v.npy")
    assert not list(tmp_path.iterdir())


def test_a_pixel_image_is_written_on_its_own_grid(tmp_path: Path):
    image = torch.rand(*GRID.shape, 1)
    path = solution(SampledField(image, GRID)).write(tmp_path / "v.npy")
    np.testing.assert_allclose(np.load(path), image[..., 0].numpy(), atol=1e-6)


MEMORY = """
import resource, sys, torch
from inverse_inr import Box, Grid, priors
from inverse_inr.solver.volumes import write_volume
torch.set_num_threads(1)
box = Box((-1.0,) * 3, (1.0,) * 3)
field = priors.create("grid", box, cells=16).eval()
write_volume(field, Grid(box, (16,) * 3), sys.argv[1] + "/small.npy")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
write_volume(field, Grid(box, (int(sys.argv[2]),) * 3), sys.argv[1] + "/large.npy")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.slow
def test_a_volume_larger_than_its_slabs_takes_the_memory_of_one(tmp_path: Path):
    answer = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path), "400"],
        capture_output=True,
        text=True,
        check=True,
    )
    whole = 4 * 400**3
    assert (tmp_path / "large.npy").stat().st_size >= whole
    assert int(answer.stdout) < 0.6 * whole
