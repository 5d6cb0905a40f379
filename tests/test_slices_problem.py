"""Stacks from files and simulated, the world they lie in, what is written, what is refused, a small reconstruction."""

import csv
import math
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from nibabel.affines import apply_affine
from torch import Tensor

import inverse_inr as ii
from inverse_inr import Box, Grid, SampledField
from inverse_inr.config import ConfigError, Run
from inverse_inr.fidelity import LearntScale
from inverse_inr.io import FileFormatError, read_nifti
from inverse_inr.operators.rigid import pose_errors, rotation_matrix
from inverse_inr.problems.slice_baselines import average, super_resolution
from inverse_inr.problems.slice_output import slice_weights, uncertainty, write
from inverse_inr.problems.slice_simulation import simulate_stacks
from inverse_inr.problems.slices import problem_of, slices, volume_field
from inverse_inr.problems.stacks import Stack, as_slices, read_stack

F64 = torch.float64
BOX = Box((-24.0, -20.0, -18.0), (24.0, 20.0, 18.0), ("mm", "mm", "mm"))
MIDDLES = torch.tensor([[0.0, 0, 0], [9, 4, -3], [-8, 7, 4], [2, -9, 6], [-5, -4, -9]], dtype=F64)
WIDTHS = torch.tensor([7.0, 3, 4, 3, 3.5], dtype=F64)
WAVES = torch.tensor([[0.5, 0.2, 0.1], [-0.2, 0.6, 0.2], [0.1, -0.2, 0.6]], dtype=F64)


def bumps(x: Tensor) -> Tensor:
    """Gaussians: smooth, without symmetry, next to nothing at the faces."""
    squared = (x[..., None, :] - MIDDLES.to(x)).square().sum(-1) / WIDTHS.to(x).square()
    return torch.exp(-0.5 * squared).sum(-1, keepdim=True)


def head(x: Tensor) -> Tensor:
    """Bumps with folds in them, that say how a slice is turned."""
    return bumps(x) * (1 + 0.4 * torch.sin(x @ WAVES.to(x).mT).sum(-1, keepdim=True)).clamp(min=0)


def simulated(**options: Any) -> list[Stack]:
    made = {"pixel": 2.0, "thickness": 4.0, "nodes": 32, "degrees": 4.0, "distance": 2.0, "seed": 1, **options}
    return simulate_stacks(head, BOX, **made)


@pytest.fixture
def still() -> list[Stack]:
    return simulated(degrees=0.0, distance=0.0, gain=0.0, noise=0.0)


def affine_of(normal: str, angle: float = 0.0) -> np.ndarray:
    """A stack of 2 x 2.5 x 4 mm whose slices are `normal`, turned by `angle` about an odd axis; k may run backwards."""
    axes = {"axial": [0, 1, 2], "coronal": [0, 2, 1], "sagittal": [1, 2, 0]}[normal]
    r = np.eye(3)[:, axes] * np.array([-1.0, 1.0, 1.0])
    r = rotation_matrix(angle * torch.tensor([0.48, 0.6, 0.64], dtype=F64)).numpy() @ r
    m = np.eye(4)
    m[:3, :3] = r * np.array([2.0, 2.5, 4.0])
    m[:3, 3] = np.array([3.0, -2.0, 1.0]) - m[:3, :3] @ np.array([11.5, 9.5, 5.5])
    return m


def saved(path: Path, values: np.ndarray, affine: np.ndarray | None, **header: int) -> str:
    image = nibabel.Nifti1Image(values, affine)
    for name, code in header.items():
        image.header[name] = code
    nibabel.save(image, path)
    return str(path)


def sampled(affine: np.ndarray, shape: tuple[int, ...] = (24, 20, 12)) -> np.ndarray:
    """The bumps at the voxels' centres, as nibabel places them."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    world = apply_affine(affine, index)
    return bumps(torch.from_numpy(world))[..., 0].numpy().astype(np.float32)


# --- the world ----------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("others", [("axial", "coronal", "sagittal"), ("oblique",)])
def test_the_volume_overlays_the_stacks(others: tuple[str, ...], tmp_path: Path) -> None:
    """Thin slices of known position: the written volume, looked up in world coordinates, has the stack's values."""
    tilted = [affine_of("axial" if n == "oblique" else n, 0.6 if n == "oblique" else 0.0) for n in others]
    paths = [saved(tmp_path / f"{n}.nii.gz", 700 * sampled(a), a) for n, a in zip(others, tilted, strict=True)]
    problem = slices(paths, thickness=[1.0], resolution=2.0, motion=False, gain=False)
    solution = super_resolution(problem, weights=(1e-4,), iterations=15)
    assert problem.suggested.write is write
    written = write(solution, tmp_path)
    assert {p.name for p in written} >= {"volume.nii.gz", "uncertainty.nii.gz", "poses.csv"}
    volume: Any = nibabel.load(tmp_path / "volume.nii.gz")
    for affine in tilted:
        index = np.stack(np.meshgrid(np.arange(4, 20), np.arange(4, 16), np.arange(3, 9), indexing="ij"), -1)
        world = apply_affine(affine, index.reshape(-1, 3))
        voxel = apply_affine(np.linalg.inv(volume.affine), world)
        grid = Grid(Box((-0.5,) * 3, tuple(n - 0.5 for n in volume.shape)), volume.shape)
        field = SampledField(torch.from_numpy(np.asarray(volume.dataobj))[..., None], grid)
        truth = 700 * bumps(torch.from_numpy(world))[:, 0]
        got = field(torch.from_numpy(voxel))[:, 0]
        error = float((got - truth).square().mean().sqrt())
        shifted = field(torch.from_numpy(voxel) + torch.tensor([0.0, 0.0, 1.0]))[:, 0]  # a voxel off would be seen
        assert error < 0.4 * float((shifted - truth).square().mean().sqrt())


def test_nibabels_own_oblique_image(tmp_path: Path) -> None:
    """A real 2 x 2 x 2.2 mm volume with an oblique affine: its slices come back in their places."""
    source: Any = nibabel.load(Path(nibabel.__file__).parent / "tests" / "data" / "example4d.nii.gz")
    values = np.asarray(source.dataobj[48:80, 32:64, 6:18, 0], dtype=np.float32)
    affine = source.affine @ np.array([[1, 0, 0, 48], [0, 1, 0, 32], [0, 0, 1, 6], [0, 0, 0, 1.0]])
    assert abs(affine[1, 2]) > 0.1  # oblique indeed
    problem = slices([saved(tmp_path / "a.nii", values, affine)], resolution=2.2, motion=False, gain=False)
    solution = super_resolution(problem, weights=(1e-5,), iterations=15)
    volume = solution.sample()
    write(solution, tmp_path)
    back, grid = read_nifti(tmp_path / "volume.nii.gz")
    assert grid.affine is not None
    unit = float(problem.notes["unit of the field"].split()[0])
    covered = uncertainty(solution)[1]
    torch.testing.assert_close(back[..., 0][covered], unit * volume[..., 0][covered], rtol=1e-4, atol=1e-3)
    inner = np.stack(np.meshgrid(np.arange(4, 28), np.arange(4, 28), np.arange(3, 9), indexing="ij"), -1)
    world = apply_affine(affine, inner.reshape(-1, 3))
    voxel = apply_affine(np.linalg.inv(np.array(grid.affine)), world)
    looked = SampledField(back, Grid(Box((-0.5,) * 3, tuple(n - 0.5 for n in grid.shape)), grid.shape))
    seen = looked(torch.from_numpy(voxel))[:, 0].numpy()
    own = values[tuple(inner.reshape(-1, 3).T)]
    print(
        np.corrcoef(seen, own)[0, 1],
        np.corrcoef(seen, values[tuple((inner.reshape(-1, 3) + np.array([0, 0, 1])).T)])[0, 1],
    )
    shifted = values[tuple((inner.reshape(-1, 3) + np.array([0, 0, 1])).T)]  # one slice off would be seen
    assert np.corrcoef(seen, own)[0, 1] > np.corrcoef(seen, shifted)[0, 1] + 0.2


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


# --- bad input ----------------------------------------------------------------------------------------------------


def test_a_stack_without_affine_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", sampled(affine_of("axial")), None, sform_code=0, qform_code=0)
    with pytest.raises(ValueError, match=r"a.nii has no affine \(sform and qform code are 0\)"):
        read_stack(path)


@pytest.mark.parametrize("column", [0.0, None])
def test_a_singular_affine_is_refused(column: float | None, tmp_path: Path) -> None:
    affine = affine_of("axial")
    affine[:3, 1] = 0.0 if column == 0.0 else affine[:3, 0]
    path = saved(tmp_path / "a.nii", sampled(affine_of("axial")), affine_of("axial"))
    raw = bytearray(Path(path).read_bytes())
    raw[280:328] = affine[:3].astype("<f4").tobytes()  # srow of the header: nibabel would not write it
    raw[254:256] = np.int16(2).tobytes()
    Path(path).write_bytes(bytes(raw))
    with pytest.raises((ValueError, FileFormatError), match=r"singular|voxel sizes"):
        read_stack(path)


def test_a_sheared_affine_is_refused() -> None:
    affine = torch.from_numpy(affine_of("axial"))
    affine[0, 2] += 2.0
    with pytest.raises(ValueError, match="sheared: two of its axes have a cosine"):
        Stack(torch.ones(4, 4, 4), affine, torch.ones(4, 4, 4) > 0, 4.0)


def test_lists_of_another_length_are_refused(tmp_path: Path) -> None:
    paths = [
        saved(tmp_path / f"{k}.nii", sampled(affine_of(k)), affine_of(k)) for k in ("axial", "coronal", "sagittal")
    ]
    with pytest.raises(ValueError, match="2 thicknesses for 3 stacks"):
        slices(paths, thickness=[4.0, 4.0])
    with pytest.raises(ValueError, match="2 interleaves for 3 stacks"):
        slices(paths, interleave=[2, 2])
    with pytest.raises(ValueError, match="interleave=0 must be 1"):
        slices(paths, interleave=[0])
    with pytest.raises(ValueError, match="1 masks for 3 stacks"):
        slices(paths, masks=paths[:1])
    with pytest.raises(ValueError, match="there are no stacks"):
        slices([])
    with pytest.raises(ValueError, match="resolution=0"):
        slices(paths, resolution=0)


def test_the_order_of_acquisition_is_used_where_it_is_known(tmp_path: Path) -> None:
    """Files do not say it, so that nothing is assumed; a number a stack or one for all says it, simulations know."""
    paths = [saved(tmp_path / f"{k}.nii", sampled(affine_of(k)), affine_of(k)) for k in ("axial", "coronal")]
    unknown, known = (as_slices(slices(paths, interleave=k))[1] for k in (None, [3]))
    assert unknown.negative_log_prior() is None
    assert known.negative_log_prior() is not None
    assert known.three[0].tolist() == [0, 3, 6]
    assert as_slices(problem_of(simulated(interleave=4)))[1].three[0].tolist() == [0, 4, 8]


def test_numbers_that_are_none_are_left_out(still: list[Stack]) -> None:
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


def test_stacks_that_do_not_overlap_are_refused(still: list[Stack]) -> None:
    moved = still[2].affine.clone()
    moved[:3, 3] += 500
    far = Stack(still[2].values, moved, still[2].mask, 4.0, "far.nii")
    with pytest.raises(ValueError, match=r"far.nii lies between .* overlaps none of the other stacks"):
        problem_of([*still[:2], far])


def test_integers_do_not_overflow(tmp_path: Path) -> None:
    """16-bit stacks up to their limit, a volume beyond it: written as it is."""
    affine = affine_of("axial")
    values = (32767 * sampled(affine) / sampled(affine).max()).astype(np.int16)
    problem = slices([saved(tmp_path / "a.nii", values, affine)], resolution=4.0, motion=False, gain=False)
    solution = average(problem)
    assert isinstance(solution.field, SampledField)
    solution.field.values.mul_(3)
    write(solution, tmp_path)
    back, _ = read_nifti(tmp_path / "volume.nii.gz")
    assert float(back.max()) > 50000
    assert float(back.min()) >= 0


def test_files_that_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(b"nothing of the kind")
    with pytest.raises(FileFormatError, match=r"a\.nii\.gz"):
        read_stack(tmp_path / "a.nii.gz")
    with pytest.raises(FileNotFoundError, match=r"b\.nii"):
        read_stack(tmp_path / "b.nii")


# --- simulation -----------------------------------------------------------------------------------------------------


def test_simulated_motion_has_the_stated_size() -> None:
    stacks = simulated(degrees=6.0, distance=3.0)
    nominal = torch.cat([s.nominal_poses() for s in stacks])
    true = torch.cat([s.true_poses for s in stacks if s.true_poses is not None])
    error = pose_errors(true, nominal, gauge=False)
    assert float(error.degrees.max()) == pytest.approx(6, rel=1e-6)
    assert float(error.distance.max()) == pytest.approx(3, rel=1e-6)
    order = [0, 2, 4, 6, 8, 1, 3, 5, 7]  # of 9 axial slices
    path = (true - nominal)[order, :3, 3]
    steps, jumps = path.diff(dim=0).norm(dim=-1).mean(), (true - nominal)[:9, :3, 3].diff(dim=0).norm(dim=-1).mean()
    assert steps < jumps  # smooth in time, not in space


def test_simulated_defects_have_the_stated_number_and_size() -> None:
    clean, options = simulated(noise=0.0, gain=0.0), {"noise": 0.0, "gain": 0.0}
    lossy = simulated(outliers=0.2, **options)
    bad = torch.cat([s.outlier for s in lossy if s.outlier is not None])
    assert int(bad.sum()) == round(0.2 * len(bad))
    biased = simulated(bias=0.1, **options)
    ratios = [(b.values / a.values).log()[a.mask & (a.values > 0.05)] for a, b in zip(clean, biased, strict=True)]
    assert 0.03 < float(torch.cat(ratios).std()) < 0.2
    hollow = simulated(voids=1.0, **options)
    assert all(bool((h.values <= c.values + 1e-6).all()) for h, c in zip(hollow, clean, strict=True))
    noisy = simulated(noise=0.02, gain=0.0)
    outside = torch.cat([s.values[~s.mask] for s in noisy])
    assert float(outside.square().mean()) == pytest.approx(2 * (0.02 * 1.1) ** 2, rel=0.5)  # Rayleigh: 2 σ²
    with pytest.raises(ValueError, match=r"outliers=1.5 is a fraction"):
        simulated(outliers=1.5)
    with pytest.raises(ValueError, match="unknown orientation 'axiall'"):
        simulated(orientations=["axiall"])


def test_a_still_subject_is_seen_through_the_profile(still: list[Stack]) -> None:
    """The simulation and the problem's operator agree at the true poses, whatever the orientation."""
    oblique = simulated(orientations=[torch.tensor([0.3, -0.2, 0.1])], degrees=3.0, noise=0.0, gain=0.0)
    for stacks in (still, oblique):
        problem = problem_of(stacks, resolution=2.0, known_motion=True, reference=head)
        reference = problem.reference
        assert reference is not None
        seen = ii.predict(problem.terms[0].operator, reference)
        torch.testing.assert_close(seen.float(), problem.terms[0].y, atol=5e-3, rtol=0)


# --- reconstruction -------------------------------------------------------------------------------------------------


SMALL = {"levels": 3, "coarsest": 6, "finest": 18, "width": 16, "depth": 1, "coarse_to_fine": 0.3}


def test_motion_and_volume_are_found_together(tmp_path: Path) -> None:
    stacks = simulated(outliers=0.08)
    problem = problem_of(stacks, resolution=2.0, reference=head)
    prior = ii.priors.hash(problem.box, **SMALL)
    solution = ii.solve(problem, prior, steps=400, batch=512, operator_lr=0.03, callbacks=[])
    found, operator = as_slices(solution.problem)
    true, bad = found.true_poses(), found.outliers()
    assert len(true) == len(operator.poses)
    counts = torch.bincount(operator.index)
    trusted = ~bad & (counts > 60)
    before = pose_errors(operator.poses[trusted], true[trusted], weights=counts[trusted])
    after = pose_errors(operator.moved()[trusted], true[trusted], weights=counts[trusted])
    assert float(after.degrees.mean()) < 0.6 * float(before.degrees.mean())
    assert float(after.distance.mean()) < 0.4 * float(before.distance.mean())
    weights = slice_weights(solution.problem)
    assert float(weights[bad].mean()) < 0.6 * float(weights[trusted].mean())
    assert solution.metrics(average=1)["PSNR"] > average(problem).metrics(average=1)["PSNR"]
    write(solution, tmp_path)
    with (tmp_path / "poses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(true)
    pose = torch.tensor([[float(rows[3][f"pose_{i}{j}"]) for j in range(4)] for i in range(3)], dtype=F64)
    torch.testing.assert_close(pose, operator.moved()[3, :3].detach(), atol=1e-4, rtol=1e-5)
    simulated_slices, _ = read_nifti(tmp_path / "simulated" / "0_axial.nii.gz")
    inside = stacks[0].usable
    assert float((simulated_slices[..., 0] - stacks[0].values)[inside].abs().median()) < 0.1
    figure = problem.suggested.figure
    assert figure is not None
    drawn = figure(problem, [average(problem), solution])
    assert drawn is not None
    assert len([a for a in drawn.axes if a.images]) == 9


def test_known_motion_makes_baselines_better() -> None:
    stacks = simulated(degrees=8.0, distance=4.0)
    results = [
        super_resolution(problem_of(stacks, resolution=2.0, known_motion=known, reference=head), weights=(1e-3, 1e-4))
        for known in (False, True)
    ]
    lost, kept = (r.metrics(average=1)["PSNR"] for r in results)
    assert kept > lost + 3
    assert isinstance(results[0].problem.terms[0].fidelity, LearntScale)


def test_uncertainty_is_the_error_of_a_mean() -> None:
    """Of an average of many noisy pixels: the stated standard error is about what it is off by."""
    options: dict[str, Any] = {
        "pixel": 2.0,
        "thickness": 2.0,
        "nodes": 32,
        "degrees": 0.0,
        "distance": 0.0,
        "gain": 0.0,
    }
    stacks, quiet = (simulate_stacks(bumps, BOX, noise=n, **options) for n in (0.1, 0.0))
    problem = problem_of(stacks, resolution=2.0)
    noisy = average(problem)
    clean = problem_of([Stack(q.values, s.affine, s.mask, 2.0) for q, s in zip(quiet, stacks, strict=True)],
                       resolution=2.0)  # fmt: skip
    unit = [float(p.notes["unit of the field"].split()[0]) for p in (problem, clean)]
    off = noisy.sample() * unit[0] - average(clean).sample() * unit[1]
    stated, covered = uncertainty(noisy)
    bright = covered & (average(clean).sample()[..., 0] > 0.5)  # Rician noise is Gaussian there
    ratio = float(off[..., 0][bright].square().mean().sqrt() / (unit[0] * stated[bright].square().mean().sqrt()))
    assert 0.6 < ratio < 1.6


def test_the_command_line_takes_stacks(tmp_path: Path) -> None:
    from inverse_inr import config

    stacks = simulated()
    paths = []
    for stack in stacks:
        paths.append(str(tmp_path / f"{stack.name}.nii.gz"))
        stack.write(paths[-1], stack.values * stack.mask)
    tables = Run.read(Path(__file__).parents[1] / "problems" / "slices.toml").tables
    config.set_keywords(tables, {"stacks": paths, "thickness": ["4", "4", "4"], "resolution": ["2.5"]})
    problem = Run.of(tables).problem()
    assert problem.grid.spacing == pytest.approx((2.5, 2.5, 2.5))
    assert len(problem.terms[0].y) == sum(int((s.mask & (s.values > 0)).sum()) for s in stacks)
    with pytest.raises(ConfigError, match="thickness"):
        Run.of(tables | {"problem": tables["problem"] | {"thickness": ["thick"]}})


def test_only_simulated_stacks_know_the_truth(still: list[Stack], tmp_path: Path) -> None:
    still[0].write(tmp_path / "a.nii")
    problem = slices([str(tmp_path / "a.nii")], resolution=4.0)
    with pytest.raises(ValueError, match="only simulated stacks know"):
        problem.true_poses()
    with pytest.raises(ValueError, match="known_motion is for simulated stacks"):
        problem_of(problem.stacks, known_motion=True)
    with pytest.raises(TypeError, match="these methods are for slices"):
        average(ii.Problem(problem.terms, problem.box, problem.grid))


def test_volumes_to_simulate_from(tmp_path: Path) -> None:
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = [5, 6, 7]
    path = saved(tmp_path / "v.nii", np.arange(24, dtype=np.float32).reshape(2, 3, 4), affine)
    field, box = volume_field(path)
    assert box.lower == (4.5, 5.0, 5.5)
    assert box.upper == (6.5, 11.0, 17.5)
    assert float(field(torch.tensor([6.0, 8.0, 10.0]))) == pytest.approx(17 / 23)
    with pytest.raises(ValueError, match="a diagonal affine"):
        volume_field(saved(tmp_path / "o.nii", np.ones((2, 3, 4), np.float32), affine_of("axial", 0.3)))
