"""A simulated snapshot of a camera that its files do not describe."""

from pathlib import Path

import pytest
import torch
from scipy.io import savemat

import inverse_inr as ii
from inverse_inr.problems.spectral import Detector, TrueCamera, cassi_uncalibrated
from inverse_inr.problems.spectral.measured import Modelling

AS_FILED = Modelling(register=False, background=0.01)
STILL = TrueCamera((0.0, 0.0), 0.0, 0.0, 0.0, 0.01)


def masks(camera: TrueCamera, file: str | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """The mask as filed, and where it lies."""
    problem = cassi_uncalibrated(size=32, bands=4, camera=camera, mask=file, modelling=AS_FILED)
    filed = problem.terms[0].operator.camera.mask  # type: ignore[attr-defined]
    return filed, problem.notes["true camera"].mask


def test_a_camera_that_was_not_moved_is_as_filed():
    filed, true = masks(STILL)
    torch.testing.assert_close(filed, true)


def test_a_mask_moves_by_its_shift():
    filed, true = masks(TrueCamera((1.0, 2.0), 0.0, 0.0))
    torch.testing.assert_close(true[1:, 2:], filed[:-1, :-2], atol=1e-6, rtol=0)


def test_a_mask_from_a_file_moves_too(tmp_path: Path):
    code = torch.rand(40, 50, generator=torch.Generator().manual_seed(0))
    savemat(tmp_path / "mask.mat", {"mask": code.numpy()})
    filed, true = masks(TrueCamera((1.0, 0.0), 0.0, 0.0), str(tmp_path / "mask.mat"))
    torch.testing.assert_close(filed, code[4:36, 9:41])
    torch.testing.assert_close(true, code[3:35, 9:41], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match=r"\(40, 50\) is smaller than size=64"):
        cassi_uncalibrated(size=64, bands=4, mask=str(tmp_path / "mask.mat"), modelling=AS_FILED)


def test_the_truth_behind_the_true_camera_is_the_snapshot_up_to_its_noise():
    problem = cassi_uncalibrated(
        size=48,
        bands=6,
        camera=TrueCamera(background=0.01),
        detector=Detector(full_well=1e7, readout=1.0),
        modelling=AS_FILED,
    )
    camera = problem.notes["true camera"]
    truth = ii.sample(problem.reference, problem.grid)[..., 0]  # type: ignore[arg-type]
    seen = camera.on(camera.bands).snapshot(truth)
    y = problem.terms[0].y.reshape(seen.shape)
    torch.testing.assert_close(seen, y, atol=5e-3 * float(y.max()), rtol=0)


def test_noise_and_scene_are_of_their_seeds():
    y = [
        cassi_uncalibrated(size=32, bands=4, modelling=AS_FILED, scene=scene, seed=seed).terms[0].y
        for scene, seed in ((0, 0), (0, 0), (1, 0), (0, 1))
    ]
    torch.testing.assert_close(y[0], y[1])
    assert not torch.allclose(y[0], y[2])
    assert not torch.allclose(y[0], y[3])
