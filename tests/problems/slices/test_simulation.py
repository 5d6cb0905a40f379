"""Simulated stacks: the stated motion and defects, and the truth that only they know."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases.stack import affine_of, at_rest, head, saved, simulated

import inverse_inr as ii
from inverse_inr.operators.rigid import pose_errors
from inverse_inr.problems.slices import Artefacts, Motion, Slicing, slices
from inverse_inr.problems.slices.baselines import average
from inverse_inr.problems.slices.volumes import problem_of, volume_field


def test_simulated_motion_has_the_stated_size() -> None:
    stacks = simulated(degrees=6.0, distance=3.0)
    nominal = torch.cat([s.nominal_poses() for s in stacks])
    true = torch.cat([s.true_poses for s in stacks if s.true_poses is not None])
    error = pose_errors(true, nominal, gauge=False)
    assert float(error.degrees.max()) == pytest.approx(6, rel=1e-6)
    assert float(error.distance.max()) == pytest.approx(3, rel=1e-6)
    order = [0, 2, 4, 6, 8, 1, 3, 5, 7]  # of 9 axial slices
    path = (true - nominal)[order, :3, 3]
    steps = path.diff(dim=0).norm(dim=-1).mean()
    jumps = (true - nominal)[:9, :3, 3].diff(dim=0).norm(dim=-1).mean()
    assert steps < jumps  # smooth in time, not in space


def test_simulated_defects_have_the_stated_number_and_size() -> None:
    options = {"noise_level": 0.0, "gain": 0.0}
    clean = simulated(**options)
    lossy = simulated(outliers=0.2, **options)
    bad = torch.cat([s.outlier for s in lossy if s.outlier is not None])
    assert int(bad.sum()) == round(0.2 * len(bad))
    biased = simulated(bias=0.1, **options)
    ratios = [
        (b.values / a.values).log()[a.mask & (a.values > 0.05)]
        for a, b in zip(clean, biased, strict=True)
    ]
    assert 0.03 < float(torch.cat(ratios).std()) < 0.2
    hollow = simulated(voids=1.0, **options)
    assert all(
        bool((h.values <= c.values + 1e-6).all()) for h, c in zip(hollow, clean, strict=True)
    )
    noisy = simulated(noise_level=0.02, gain=0.0)
    outside = torch.cat([s.values[~s.mask] for s in noisy])
    rayleigh = 2 * (0.02 * 1.1) ** 2  # 2 σ²
    assert float(outside.square().mean()) == pytest.approx(rayleigh, rel=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outliers": 1.5}, r"outliers = 1\.5 must be a number from 0 to 1"),
        ({"orientations": ["axiall"]}, "unknown orientation 'axiall'"),
    ],
)
def test_a_simulation_refuses_what_it_cannot_do(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulated(**options)


def test_a_still_subject_is_seen_through_the_profile() -> None:
    """The simulation and the problem's operator agree at the true poses in any orientation."""
    still = at_rest()
    oblique = simulated(
        orientations=[torch.tensor([0.3, -0.2, 0.1])], degrees=3.0, noise_level=0.0, gain=0.0
    )
    for stacks in (still, oblique):
        problem = problem_of(stacks, resolution=2.0, known_motion=True, reference=head)
        reference = problem.reference
        assert reference is not None
        seen = ii.predict(problem.terms[0].operator, reference)
        torch.testing.assert_close(seen.float(), problem.terms[0].y, atol=5e-3, rtol=0)


def test_only_simulated_stacks_know_the_truth(tmp_path: Path) -> None:
    still = at_rest()
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
        volume_field(
            saved(tmp_path / "o.nii", np.ones((2, 3, 4), np.float32), affine_of("axial", 0.3))
        )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Slicing(thickness=0.0), r"Slicing: thickness=0\.0 must be a number above 0"),
        (lambda: Slicing(spacing=-1.0), "Slicing: spacing=-1.0"),
        (lambda: Slicing(interleave=0), "Slicing: interleave=0"),
        (lambda: Motion(degrees=-5.0), r"Motion: degrees=-5\.0 must be a number of at least 0"),
        (lambda: Motion(correlation=0.0), "Motion: correlation=0.0"),
        (lambda: Artefacts(voids=-0.1), r"Artefacts: voids=-0\.1 must be a number from 0 to 1"),
        (
            lambda: Artefacts(noise_level=-0.1),
            r"Artefacts: noise_level=-0\.1 must be a number of at least 1e-15, or 0",
        ),
    ],
)
def test_a_record_refuses_what_it_cannot_mean(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
