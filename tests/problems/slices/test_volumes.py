"""Volumes from stacks: their place in the world, written files, motion and volume together."""

import csv
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from cases.stack import BOX, F64, affine_of, bumps, head, sampled, saved, simulated
from nibabel.affines import apply_affine

import inverse_inr as ii
from inverse_inr import Box, Grid, SampledField
from inverse_inr.fidelity import LearntScale
from inverse_inr.io import read_nifti
from inverse_inr.operators.rigid import pose_errors
from inverse_inr.problems.slices import slices
from inverse_inr.problems.slices.baselines import average, super_resolution
from inverse_inr.problems.slices.output import slice_weights, uncertainty, write
from inverse_inr.problems.slices.simulation import Artefacts, Motion, Slicing, simulate_stacks
from inverse_inr.problems.slices.stacks import Stack, as_slices
from inverse_inr.problems.slices.volumes import problem_of


@pytest.mark.parametrize(
    "orientations",
    [{"axial": 0.0, "coronal": 0.0, "sagittal": 0.0}, {"axial": 0.6}],
    ids=["three planes", "oblique"],
)
def test_the_volume_overlays_the_stacks(orientations: dict[str, float], tmp_path: Path) -> None:
    """The written volume has, in world coordinates, the values of thin slices in known places."""
    tilted = [affine_of(normal, angle) for normal, angle in orientations.items()]
    paths = [saved(tmp_path / f"{k}.nii.gz", 700 * sampled(a), a) for k, a in enumerate(tilted)]
    problem = slices(paths, thickness=[1.0], resolution=2.0, motion=False, gain=False)
    solution = super_resolution(problem, weights=(1e-4,), iterations=15, finer=1)
    assert problem.suggested.write is write
    written = write(solution, tmp_path)
    assert {p.name for p in written} >= {"volume.nii.gz", "uncertainty.nii.gz", "poses.csv"}
    volume: Any = nibabel.load(tmp_path / "volume.nii.gz")
    for affine in tilted:
        index = np.stack(
            np.meshgrid(np.arange(4, 20), np.arange(4, 16), np.arange(3, 9), indexing="ij"), -1
        )
        world = apply_affine(affine, index.reshape(-1, 3))
        voxel = apply_affine(np.linalg.inv(volume.affine), world)
        grid = Grid(Box((-0.5,) * 3, tuple(n - 0.5 for n in volume.shape)), volume.shape)
        field = SampledField(torch.from_numpy(np.asarray(volume.dataobj))[..., None], grid)
        truth = 700 * bumps(torch.from_numpy(world))[:, 0]
        got = field(torch.from_numpy(voxel))[:, 0]
        error = float((got - truth).square().mean().sqrt())
        # a voxel off would be seen
        shifted = field(torch.from_numpy(voxel) + torch.tensor([0.0, 0.0, 1.0]))[:, 0]
        assert error < 0.4 * float((shifted - truth).square().mean().sqrt())


def test_nibabels_own_oblique_image(tmp_path: Path) -> None:
    """A real 2 x 2 x 2.2 mm volume with an oblique affine: its slices come back in their places."""
    source: Any = nibabel.load(
        Path(nibabel.__file__).parent / "tests" / "data" / "example4d.nii.gz"
    )
    values = np.asarray(source.dataobj[48:80, 32:64, 6:18, 0], dtype=np.float32)
    affine = source.affine @ np.array([[1, 0, 0, 48], [0, 1, 0, 32], [0, 0, 1, 6], [0, 0, 0, 1.0]])
    assert abs(affine[1, 2]) > 0.1  # oblique indeed
    problem = slices(
        [saved(tmp_path / "a.nii", values, affine)], resolution=2.2, motion=False, gain=False
    )
    solution = super_resolution(problem, weights=(1e-5,), iterations=15, finer=1)
    volume = solution.sample()
    write(solution, tmp_path)
    back, grid = read_nifti(tmp_path / "volume.nii.gz")
    assert grid.affine is not None
    unit = float(problem.notes["unit of the field"].split()[0])
    covered = uncertainty(solution)[1]
    torch.testing.assert_close(
        back[..., 0][covered], unit * volume[..., 0][covered], rtol=1e-4, atol=1e-3
    )
    inner = np.stack(
        np.meshgrid(np.arange(4, 28), np.arange(4, 28), np.arange(3, 9), indexing="ij"), -1
    )
    world = apply_affine(affine, inner.reshape(-1, 3))
    voxel = apply_affine(np.linalg.inv(np.array(grid.affine)), world)
    looked = SampledField(
        back, Grid(Box((-0.5,) * 3, tuple(n - 0.5 for n in grid.shape)), grid.shape)
    )
    seen = looked(torch.from_numpy(voxel))[:, 0].numpy()
    own = values[tuple(inner.reshape(-1, 3).T)]
    # one slice off would be seen
    shifted = values[tuple((inner.reshape(-1, 3) + np.array([0, 0, 1])).T)]
    assert np.corrcoef(seen, own)[0, 1] > np.corrcoef(seen, shifted)[0, 1] + 0.2


def test_integers_do_not_overflow(tmp_path: Path) -> None:
    """16-bit stacks up to their limit, a volume beyond it: written as it is."""
    affine = affine_of("axial")
    values = (32767 * sampled(affine) / sampled(affine).max()).astype(np.int16)
    problem = slices(
        [saved(tmp_path / "a.nii", values, affine)], resolution=4.0, motion=False, gain=False
    )
    solution = average(problem)
    assert isinstance(solution.field, SampledField)
    solution.field.values.mul_(3)
    write(solution, tmp_path)
    back, _ = read_nifti(tmp_path / "volume.nii.gz")
    assert float(back.max()) > 50000
    assert float(back.min()) >= 0


# --- reconstruction -----------------------------------------------------------


SMALL = {"levels": 3, "coarsest": 6, "finest": 18, "width": 16, "depth": 1, "coarse_to_fine": 0.3}


@pytest.mark.slow
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
    pose = torch.tensor(
        [[float(rows[3][f"pose_{i}{j}"]) for j in range(4)] for i in range(3)], dtype=F64
    )
    torch.testing.assert_close(pose, operator.moved()[3, :3].detach(), atol=1e-4, rtol=1e-5)
    simulated_slices, _ = read_nifti(tmp_path / "simulated" / "0_axial.nii.gz")
    inside = stacks[0].usable
    assert float((simulated_slices[..., 0] - stacks[0].values)[inside].abs().median()) < 0.1
    figure = problem.suggested.figure
    assert figure is not None
    drawn = figure(problem, [average(problem), solution])
    assert drawn is not None
    assert len([a for a in drawn.axes if a.images]) == 9


@pytest.mark.slow
def test_known_motion_makes_baselines_better() -> None:
    stacks = simulated(degrees=8.0, distance=4.0)
    results = [
        super_resolution(
            problem_of(stacks, resolution=2.0, known_motion=known, reference=head),
            weights=(1e-3, 1e-4),
        )
        for known in (False, True)
    ]
    lost, kept = (r.metrics(average=1)["PSNR"] for r in results)
    assert kept > lost + 3
    assert isinstance(results[0].problem.terms[0].fidelity, LearntScale)


def test_uncertainty_is_the_error_of_a_mean() -> None:
    """An average of many noisy pixels is off by about the stated standard error."""
    cut, still = Slicing(thickness=2.0), Motion(degrees=0.0, distance=0.0)
    stacks, quiet = (
        simulate_stacks(bumps, BOX, slicing=cut, motion=still, artefacts=artefacts, nodes=32)
        for artefacts in (
            Artefacts(gain=0.0, noise_level=0.1),
            Artefacts(gain=0.0, noise_level=0.0),
        )
    )
    problem = problem_of(stacks, resolution=2.0)
    noisy = average(problem)
    clean = problem_of(
        [Stack(q.values, s.affine, s.mask, 2.0) for q, s in zip(quiet, stacks, strict=True)],
        resolution=2.0,
    )
    unit = [float(p.notes["unit of the field"].split()[0]) for p in (problem, clean)]
    off = noisy.sample() * unit[0] - average(clean).sample() * unit[1]
    stated, covered = uncertainty(noisy)
    bright = covered & (average(clean).sample()[..., 0] > 0.5)  # Rician noise is Gaussian there
    ratio = float(
        off[..., 0][bright].square().mean().sqrt()
        / (unit[0] * stated[bright].square().mean().sqrt())
    )
    assert 0.6 < ratio < 1.6
