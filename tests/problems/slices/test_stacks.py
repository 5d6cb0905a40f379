"""Stacks from files: the world they lie in, masks, lists of options, and what is refused."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases.stack import affine_of, at_rest, bumps, sampled, saved, simulated
from nibabel.affines import apply_affine

from inverse_inr.command.config import Run
from inverse_inr.command.tables import ConfigError, set_keywords
from inverse_inr.io import FileFormatError
from inverse_inr.problems.slices import slices
from inverse_inr.problems.slices.stack_files import read_stack
from inverse_inr.problems.slices.stacks import Stack, as_slices
from inverse_inr.problems.slices.volumes import problem_of

# --- the world ----------------------------------------------------------------


@pytest.mark.parametrize("normal", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_pixels_lie_where_nibabel_says(normal: str, angle: float, tmp_path: Path) -> None:
    affine = affine_of(normal, angle)
    stack = read_stack(saved(tmp_path / "a.nii.gz", sampled(affine), affine))
    geometry, y = stack.slices()
    torch.testing.assert_close(y, bumps(geometry.centers())[:, 0].float(), atol=1e-6, rtol=1e-5)
    assert stack.thickness == pytest.approx(4.0)
    torch.testing.assert_close(stack.volume(y), stack.values)


def test_slices_along_another_axis(tmp_path: Path) -> None:
    affine = affine_of("axial", 0.3)
    swapped = affine[:, [2, 0, 1, 3]]
    values = sampled(affine).transpose(2, 0, 1)
    stack = read_stack(saved(tmp_path / "a.nii", values, swapped), slice_axis=0)
    geometry, y = stack.slices()
    assert len(geometry.poses) == 12
    torch.testing.assert_close(y, bumps(geometry.centers())[:, 0].float(), atol=1e-6, rtol=1e-5)


def test_a_mask_on_another_grid_is_looked_up(tmp_path: Path) -> None:
    affine = affine_of("coronal", 0.4)
    path = saved(tmp_path / "a.nii", sampled(affine), affine)
    coarse = np.diag([3.0, 3, 3, 1])
    coarse[:3, 3] = -30
    shape = (21, 21, 21)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    ball = np.linalg.norm(apply_affine(coarse, index), axis=-1) < 12
    stack = read_stack(path, mask=saved(tmp_path / "m.nii", ball.astype(np.uint8), coarse))
    geometry, _ = stack.slices()
    distance = torch.linalg.vector_norm(geometry.centers(), dim=-1)
    mask = stack.flat(stack.mask)
    assert bool(mask[distance < 9].all())
    assert not bool(mask[distance > 15].any())
    far = coarse.copy()
    far[:3, 3] = 900
    with pytest.raises(ValueError, match="no voxel of this mask lies on a pixel"):
        read_stack(path, mask=saved(tmp_path / "f.nii", ball.astype(np.uint8), far))


# --- bad input ----------------------------------------------------------------


def test_a_stack_without_affine_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", sampled(affine_of("axial")), None, sform_code=0, qform_code=0)
    with pytest.raises(ValueError, match=r"a.nii has no affine \(sform and qform code are 0\)"):
        read_stack(path)


@pytest.mark.parametrize("factor", [0.0, 1.0], ids=["zero column", "equal columns"])
def test_a_singular_affine_is_refused(factor: float, tmp_path: Path) -> None:
    affine = affine_of("axial")
    affine[:3, 1] = factor * affine[:3, 0]
    path = saved(tmp_path / "a.nii", sampled(affine_of("axial")), affine_of("axial"))
    raw = bytearray(Path(path).read_bytes())
    # srow of the header: nibabel would not write it
    raw[280:328] = affine[:3].astype("<f4").tobytes()
    raw[254:256] = np.int16(2).tobytes()
    Path(path).write_bytes(bytes(raw))
    with pytest.raises((ValueError, FileFormatError), match=r"singular|voxel sizes"):
        read_stack(path)


def test_a_sheared_affine_is_refused() -> None:
    affine = torch.from_numpy(affine_of("axial"))
    affine[0, 2] += 2.0
    with pytest.raises(ValueError, match="sheared: two of its axes have a cosine"):
        Stack(torch.ones(4, 4, 4), affine, torch.ones(4, 4, 4) > 0, 4.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thickness": [4.0, 4.0]}, "2 thicknesses for 3 stacks"),
        ({"interleave": [2, 2]}, "2 interleaves for 3 stacks"),
        ({"interleave": [0]}, r"interleave.*0.* must be a whole number of at least 1"),
        ({"masks": ["one.nii", "two.nii"]}, "2 masks for 3 stacks"),
        ({"masks": ["one.nii"] * 4}, "4 masks for 3 stacks"),
        ({"slice_axis": [0, 1]}, "2 slice axes for 3 stacks"),
        ({"resolution": 0}, "resolution=0"),
    ],
)
def test_options_that_do_not_fit_the_stacks_are_refused(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    paths = [
        saved(tmp_path / f"{k}.nii", sampled(affine_of(k)), affine_of(k))
        for k in ("axial", "coronal", "sagittal")
    ]
    with pytest.raises(ValueError, match=message):
        slices(paths, **options)


def test_an_empty_list_of_stacks_is_refused() -> None:
    with pytest.raises(ValueError, match="there are no stacks"):
        slices([])


def test_the_order_of_acquisition_is_used_where_it_is_known(tmp_path: Path) -> None:
    """Files do not tell the order, so nothing is assumed; an option tells it, simulations know."""
    paths = [
        saved(tmp_path / f"{k}.nii", sampled(affine_of(k)), affine_of(k))
        for k in ("axial", "coronal")
    ]
    unknown, known = (as_slices(slices(paths, interleave=k))[1] for k in (None, [3]))
    assert unknown.negative_log_prior() is None
    assert known.negative_log_prior() is not None
    assert known.three[0].tolist() == [0, 3, 6]
    assert as_slices(problem_of(simulated(interleave=4)))[1].three[0].tolist() == [0, 4, 8]


def test_numbers_that_are_none_are_left_out() -> None:
    still = at_rest()
    stack = still[0]
    values = stack.values.clone()
    bad = torch.zeros_like(stack.mask)
    bad[10, 8:12] = True
    values[bad] = math.nan
    holes = Stack(values, stack.affine, stack.mask, stack.thickness)
    problem = problem_of([holes, *still[1:]], resolution=2.0)
    lost = int((bad & stack.mask).sum())
    assert lost > 0
    assert problem.notes["masked values that are no numbers"] == lost
    assert len(problem.terms[0].y) == sum(int(s.mask.sum()) for s in still) - lost
    with pytest.raises(ValueError, match="no pixel can be used"):
        Stack(torch.full_like(values, math.nan), stack.affine, stack.mask, 4.0)


def test_stacks_that_do_not_overlap_are_refused() -> None:
    still = at_rest()
    moved = still[2].affine.clone()
    moved[:3, 3] += 500
    far = Stack(still[2].values, moved, still[2].mask, 4.0, "far.nii")
    with pytest.raises(
        ValueError, match=r"far.nii lies between .* overlaps none of the other stacks"
    ):
        problem_of([*still[:2], far])


def test_files_that_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(b"nothing of the kind")
    with pytest.raises(FileFormatError, match=r"a\.nii\.gz"):
        read_stack(tmp_path / "a.nii.gz")
    with pytest.raises(FileNotFoundError, match=r"b\.nii"):
        read_stack(tmp_path / "b.nii")


def test_the_command_line_takes_stacks(tmp_path: Path) -> None:
    stacks = simulated()
    paths = []
    for stack in stacks:
        paths.append(str(tmp_path / f"{stack.name}.nii.gz"))
        stack.write(paths[-1], stack.values * stack.mask)
    tables = Run.read(Path(__file__).parents[3] / "problems" / "slices.toml").tables
    set_keywords(tables, {"stacks": paths, "thickness": ["4", "4", "4"], "resolution": ["2.5"]})
    problem = Run.of(tables).problem()
    assert problem.grid.spacing == pytest.approx((2.5, 2.5, 2.5))
    assert len(problem.terms[0].y) == sum(int((s.mask & (s.values > 0)).sum()) for s in stacks)
    with pytest.raises(ConfigError, match="thickness"):
        Run.of(tables | {"problem": tables["problem"] | {"thickness": ["thick"]}})


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"thickness": 0.004}, "4 mm apart, and thickness=0.004"),
        ({"thickness": 40.0}, "thickness=40"),
        ({"affine": 1e-3}, "Metres in a header that says mm"),
        ({"values": 1e4}, "Scaled otherwise"),
    ],
)
def test_stacks_in_another_unit_are_refused(change: dict[str, float], fact: str):
    first, *others = at_rest()
    ((name, by),) = change.items()
    new: object = by
    if name == "affine":
        new = torch.diag(torch.tensor([by, by, by, 1.0], dtype=torch.float64)) @ first.affine
    if name == "values":
        new = by * first.values
    with pytest.raises(ValueError, match=fact):
        problem_of([replace(first, **{name: new}), *others])
