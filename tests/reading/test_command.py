"""The verbs `learn-labels`, `segment` and `quality`: files kept, slips answered in one line."""

import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from inverse_inr.command import cli
from inverse_inr.domain import Box, Grid, pixel_grid
from inverse_inr.io import read_image, write_image


def spoken(*words: str) -> str:
    """Run a command line; what it says where it fails, else nothing."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["inverse-inr", *words])
            patch.setattr(cli, "app", partial(cli.app, words))
            cli.main()
    except SystemExit as error:
        if error.code not in (0, None):
            return str(error.code)
    return ""


def written(path: Path, values: torch.Tensor) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_image(path, values[..., None].float(), pixel_grid(tuple(values.shape)))
    return path


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    """Three bright squares and their labels."""
    for k in range(3):
        labels = torch.zeros(8, 8)
        labels[1 + k : 4 + k, 2:6] = 1
        written(tmp_path / "images" / f"{k}.npz", 0.8 * labels + 0.1)
        written(tmp_path / "labels" / f"{k}.npz", labels)
    return tmp_path / "images", tmp_path / "labels"


def learn(images: Path, labels: Path, out: Path, *more: str) -> str:
    words = ("learn-labels", str(images), str(labels), "--classes", "2", "--out", str(out))
    return spoken(*words, "--steps", "2", *more)


def test_labels_are_learnt_and_read(folders, tmp_path, capsys) -> None:
    family, out = tmp_path / "squares.safetensors", tmp_path / "found.npz"
    assert not learn(*folders, family, "--method", "iosnet")
    assert not (tmp_path / "squares.safetensors.state").exists()
    image = str(folders[0] / "1.npz")
    assert not spoken("segment", image, "--family", str(family), "--out", str(out))
    found, _ = read_image(out)
    assert found.shape == (8, 8, 1)
    assert set(found.unique().tolist()) <= {0.0, 1.0}
    assert "pixels of the classes 0 to 1" in capsys.readouterr().out
    assert "exists. Choose another" in learn(*folders, family)


def test_files_that_stand_alone_are_refused(folders, tmp_path) -> None:
    (folders[1] / "2.npz").unlink()
    assert "files of the same names; 1 stand alone: 2" in learn(
        *folders, tmp_path / "a.safetensors"
    )


def test_labels_that_are_no_whole_numbers_are_refused(folders, tmp_path) -> None:
    written(folders[1] / "2.npz", torch.full((8, 8), 0.5))
    assert "labels are whole numbers" in learn(*folders, tmp_path / "a.safetensors")


def test_labels_of_another_grid_are_refused_by_their_file(folders, tmp_path) -> None:
    out = tmp_path / "a.safetensors"
    written(folders[1] / "2.npz", torch.zeros(8, 9))
    said = learn(*folders, out)
    assert "2.npz: labels of (8, 9) pixels are of another grid than the image's, (8, 8)" in said
    grid = Grid(Box((0.0,) * 3, (8.0, 8.0, 2.0), ("mm",) * 3), (8, 8, 2))
    for folder, place in zip(folders, (0.0, 3.0), strict=True):
        affine = torch.eye(4)
        affine[0, 3] = place
        (folder / "2.npz").unlink()
        write_image(folder / "2.nii", torch.zeros(8, 8, 2, 1), grid.with_affine(affine.tolist()))
    said = learn(*folders, out)
    assert "2.nii: the labels are of another grid than the image: their affines differ" in said
    assert not out.exists()


def test_the_reference_is_at_distance_zero(tmp_path, capsys) -> None:
    axis = torch.linspace(0, 1, 12)
    image = torch.sin(5 * axis)[:, None].abs() * axis
    sharp, other = written(tmp_path / "a.npz", image), written(tmp_path / "b.npz", 0.7 * image)
    assert not spoken("quality", str(sharp), str(sharp), str(other), "--residual", "0.1")
    told = [line.split() for line in capsys.readouterr().out.splitlines() if ".npz" in line]
    assert [words[0] for words in told] == [str(sharp), str(other)]
    assert float(told[0][1]) == 0
    assert float(told[1][1]) > 0.1
