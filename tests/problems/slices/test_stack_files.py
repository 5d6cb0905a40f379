"""Stacks as scanners and tools write them: series, axes in any order, one mask, two affines."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from cases.stack import affine_of, bumps, sampled, saved
from nibabel.affines import apply_affine

from inverse_inr.command.config import Run
from inverse_inr.command.tables import set_keywords
from inverse_inr.io import read_image
from inverse_inr.problems.images import load_image
from inverse_inr.problems.slices import slices
from inverse_inr.problems.slices.stack_files import read_stack, read_stacks

AXIAL = affine_of("axial", 0.2)
ORDERS = [(0, 1, 2), (0, 2, 1), (2, 0, 1), (2, 1, 0)]


def turned(path: Path, order: tuple[int, ...], **header: int) -> str:
    """The axial stack with its axes in another order, in the same place of the world."""
    return saved(path, sampled(AXIAL).transpose(order), AXIAL[:, [*order, 3]], **header)


def series(path: Path) -> str:
    """Three dynamics, each twice as bright as the one before."""
    values = sampled(AXIAL)
    return saved(path, np.stack([values, 2 * values, 4 * values], -1), AXIAL)


# --- axes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_a_stack_lies_where_it_lies_whatever_the_order_of_its_axes(
    order: tuple[int, ...], tmp_path: Path
) -> None:
    stack = read_stack(turned(tmp_path / "a.nii", order), slice_axis=order.index(2))
    geometry, y = stack.slices()
    assert len(geometry.poses) == 12
    torch.testing.assert_close(y, bumps(geometry.centers())[:, 0].float(), atol=1e-6, rtol=1e-5)


def test_slices_along_another_axis_than_the_last_are_named_and_not_guessed(tmp_path: Path) -> None:
    path = turned(tmp_path / "a.nii", (2, 0, 1))
    with pytest.raises(ValueError, match=r"4 x 2 x 2\.5 mm are longest along axis 0.*slice_axis=0"):
        read_stack(path)
    assert len(read_stack(path, slice_axis=2).slices()[0].poses) == 20


def test_the_axis_that_the_header_names_is_taken_and_said(tmp_path: Path) -> None:
    path = turned(tmp_path / "a.nii", (2, 0, 1))
    image: Any = nibabel.load(path)
    image.header.set_dim_info(freq=1, phase=2, slice=0)
    nibabel.save(image, tmp_path / "b.nii")
    stack = read_stack(tmp_path / "b.nii")
    assert stack.values.shape == (24, 20, 12)
    assert any("axis 0, as its header says" in r for r in stack.remarks)


def test_stacks_may_have_their_axes_in_different_orders(tmp_path: Path) -> None:
    paths = [turned(tmp_path / f"{k}.nii", order) for k, order in enumerate(ORDERS)]
    problem = slices(paths, slice_axis=[o.index(2) for o in ORDERS], resolution=4.0)
    assert all(s.values.shape[2] == 12 for s in problem.stacks)


# --- series ---------------------------------------------------------------------------------------


def test_a_series_is_refused_with_an_advice_that_works(tmp_path: Path) -> None:
    path = series(tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match=r'series of 3 volumes.*volume=0.*"a.nii.gz:0".*\'all\''):
        slices([path])
    first = read_stack(path, volume=0)
    assert torch.equal(read_stack(f"{path}:1").values, 2 * first.values)
    assert torch.equal(slices([path], volume=2, resolution=4.0).stacks[0].values, 4 * first.values)


def test_all_dynamics_are_stacks_of_their_own(tmp_path: Path) -> None:
    stacks = read_stacks(series(tmp_path / "a.nii.gz"), volume="all")
    assert [s.name for s in stacks] == ["a_0.nii.gz", "a_1.nii.gz", "a_2.nii.gz"]
    assert torch.equal(stacks[2].values, 4 * stacks[0].values)
    assert torch.equal(stacks[2].affine, stacks[0].affine)


@pytest.mark.parametrize(
    ("suffix", "volume", "message"),
    [
        ("", 3, "volume=3"),
        (":3", None, "volume=3"),
        (":1", 1, "names volume 1, and volume=1 is given too"),
    ],
)
def test_a_volume_that_is_not_there_is_refused(
    suffix: str, volume: int | None, message: str, tmp_path: Path
) -> None:
    path = series(tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match=message):
        read_stack(path + suffix, volume=volume)


def test_a_volume_can_be_named_wherever_an_image_is_read(tmp_path: Path) -> None:
    path = series(tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match=r'"a\.nii\.gz:0"'):
        load_image(path)
    assert torch.equal(read_image(f"{path}:1")[0], 2 * read_image(f"{path}:0")[0])
    assert load_image(f"{path}:-1")[0].shape == (24, 20, 1)


def test_the_command_line_takes_a_volume_and_axes(tmp_path: Path) -> None:
    tables = Run.read(Path(__file__).parents[3] / "problems" / "slices.toml").tables
    path = series(tmp_path / "a.nii.gz")
    words = {"stacks": [path], "resolution": ["4"], "slice_axis": ["2"], "volume": ["1"]}
    set_keywords(tables, words)
    problem = Run.of(tables).problem()
    assert torch.equal(problem.stacks[0].values, read_stack(path, volume=1).values)


# --- masks ----------------------------------------------------------------------------------------


def test_one_mask_serves_all_stacks_in_world_coordinates(tmp_path: Path) -> None:
    paths = [
        saved(tmp_path / f"{k}.nii", sampled(affine_of(k, 0.3)), affine_of(k, 0.3))
        for k in ("axial", "coronal", "sagittal")
    ]
    coarse = np.diag([2.0, 2, 2, 1])
    coarse[:3, 3] = -30
    index = np.stack(np.meshgrid(*[np.arange(31)] * 3, indexing="ij"), -1)
    ball = np.linalg.norm(apply_affine(coarse, index), axis=-1) < 12
    mask = saved(tmp_path / "m.nii", ball.astype(np.uint8), coarse)
    problem = slices(paths, masks=[mask], resolution=4.0)
    for stack in problem.stacks:
        geometry, _ = stack.slices()
        distance = torch.linalg.vector_norm(geometry.centers(), dim=-1)
        used = stack.flat(stack.mask)
        assert bool(used[distance < 10].all())
        assert not bool(used[distance > 14].any())
    assert problem.notes["files"].count("m.nii covers") == 3


# --- affines --------------------------------------------------------------------------------------


def test_two_affines_that_disagree_are_noted(tmp_path: Path) -> None:
    values = sampled(AXIAL)
    image = nibabel.Nifti1Image(values, AXIAL)
    other = AXIAL.copy()
    other[:3, 3] += [0, 0, 7]
    image.set_sform(AXIAL, 1)
    image.set_qform(other, 1)
    nibabel.save(image, tmp_path / "a.nii")
    stack = read_stack(tmp_path / "a.nii")
    assert torch.allclose(stack.affine, torch.from_numpy(AXIAL), atol=1e-5)
    assert any("its qform puts corners up to 7 mm elsewhere" in r for r in stack.remarks)


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1.0), ("micron", 1e-3), ("meter", 1e3)])
def test_the_unit_of_a_header_is_used(unit: str, scale: float, tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(sampled(AXIAL), AXIAL)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii")
    spacing = read_stack(tmp_path / "a.nii").spacing
    assert spacing.tolist() == pytest.approx([2 * scale, 2.5 * scale, 4 * scale], rel=1e-5)


def test_a_header_without_a_unit_is_taken_in_mm_and_that_is_said(tmp_path: Path) -> None:
    stack = read_stack(saved(tmp_path / "a.nii", sampled(AXIAL), AXIAL))
    assert any("no unit of length; mm is taken" in r for r in stack.remarks)
