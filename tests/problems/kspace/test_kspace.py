"""MRI problems, simulated and from a file: noise, maps, reconstructions, and refusals."""

from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import torch
from cases.kspace_files import COILS, SHAPE, scanned
from torch import Tensor

import inverse_inr as ii
from inverse_inr import predict, sample
from inverse_inr.command import cli
from inverse_inr.operators import CartesianKSpace, LearnedCoils, RadialSpokes
from inverse_inr.problems.ct import ct
from inverse_inr.problems.kspace import kspace, kspace_scan
from inverse_inr.problems.kspace import simulated as problems


@pytest.fixture(scope="module")
def full() -> Tensor:
    return scanned()


def test_retrospective_undersampling_has_a_reference(tmp_path: Path, full: Tensor):
    np.save(tmp_path / "a.npy", full.numpy())
    problem = kspace_scan(str(tmp_path / "a.npy"), acceleration=3, calibration=14)
    assert problem.notes["fully sampled"]
    assert problem.reference is not None
    term = problem.terms[0]
    reference = sample(problem.reference, problem.grid).to(torch.complex64)
    seen = predict(term.operator, lambda p: reference)
    # maps are estimated, and the reference has no sign
    assert float((seen.detach() - term.y).norm() / term.y.norm()) < 0.3
    assert kspace_scan(str(tmp_path / "a.npy")).reference is None
    assert problem.grid.spacing == (1.0, 1.0)
    sigma = 0.002 * problem.notes["scale"]
    assert problem.notes["noise of a pixel"] == pytest.approx(sigma, rel=0.1)


@pytest.mark.slow
def test_an_image_of_half_pixels(tmp_path: Path, full: Tensor):
    """The fit has four values per pixel, classical methods one; both predict the same samples."""
    np.save(tmp_path / "a.npy", full.numpy())
    problem, pixels = (
        kspace_scan(
            str(tmp_path / "a.npy"), acceleration=2, calibration=14, learn_coils="none", finer=k
        )
        for k in (2, 1)
    )
    operator = problem.terms[0].operator
    assert isinstance(operator, CartesianKSpace)
    assert operator.grid == problem.grid.refined(2)
    assert problems.classical(problem).terms[0].operator.grid == problem.grid  # pyright: ignore
    fine, coarse = (ii.solve(p, steps=150, lr=0.1, callbacks=[]) for p in (problem, pixels))
    assert fine.sample().shape == (*problem.grid.shape, 1)
    found, rough = fine.held_out(), coarse.held_out()
    assert found is not None
    assert rough is not None
    assert found < rough  # of an image with edges, at readouts outside the calibration region
    assert fine.metrics()["PSNR"] > coarse.metrics()["PSNR"]
    with pytest.raises(ValueError, match="finer=0"):
        kspace_scan(str(tmp_path / "a.npy"), finer=0)


@pytest.mark.parametrize("phase", ["coils", "image", "both"])
@pytest.mark.parametrize("learn", ["grid", "polynomial", "none"])
def test_simulated_problems_start_near_the_truth(phase: Any, learn: Any):
    """The truth in its gauge nearly predicts the data, with the maps that learning starts from."""
    problem = kspace(
        size=40,
        acceleration=2,
        calibration=16,
        coils=4,
        phase=phase,
        learn_coils=learn,
        noise_level=1e-3,
    )
    assert problem.is_complex == (phase != "coils")
    term = problem.terms[0]
    assert any(p.requires_grad for p in term.operator.parameters()) == (learn != "none")  # type: ignore
    if phase != "image":
        assert problem.reference is not None
        truth = sample(problem.reference, problem.grid, average=4)
        predicted = predict(term.operator, lambda p: truth)
        # edges lie between the 40 pixels
        assert float((predicted.detach() - term.y).norm() / term.y.norm()) < 0.2


@pytest.mark.slow
def test_joint_reconstruction_beats_the_classics():
    problem = kspace(
        size=48, acceleration=3, calibration=16, coils=6, noise_level=0.02, learn_coils="grid"
    )
    solution = ii.solve(problem, steps=120, callbacks=[])
    assert isinstance(solution.problem.terms[0].operator.coils, LearnedCoils)  # type: ignore
    assert solution.learnt
    scores = {name: run(problem).metrics()["PSNR"] for name, run in problems.BASELINES.items()}
    assert solution.metrics()["PSNR"] > scores["CG-SENSE"] + 1.5
    assert scores["TV"] > scores["CG-SENSE"] > scores["zero-filled"] - 1
    assert scores["TV"] > scores["L1-wavelet"] > scores["CG-SENSE"]


@pytest.mark.parametrize("rays", [False, True])
def test_radial_by_nufft_and_by_rays(rays: bool):
    """The same data, and a field that fits both; gridding for comparison."""
    problem = kspace(
        "gaussian_blobs",
        size=32,
        sampling="radial",
        spokes=21,
        coils=3,
        rays=rays,
        learn_coils="none",
    )
    term = problem.terms[0]
    assert isinstance(term.operator, RadialSpokes) == rays
    residual = predict(term.operator, problem.reference).detach() - term.y  # type: ignore
    assert float(residual.abs().square().mean().sqrt() / term.y.abs().square().mean().sqrt()) < 0.12
    assert problems.zero_filled(problem).metrics()["PSNR"] > 20


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["equispaced", "variable_density", "poisson_disc", "spiral"])
def test_every_sampling_makes_a_problem(sampling: Any):
    problem = kspace(size=32, sampling=sampling, calibration=14, acceleration=2, spokes=8, coils=3)
    assert problems.sense(problem, 3).metrics()["PSNR"] > 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rays": True, "calibration": 14}, "sampling must be 'radial'"),
        ({"sampling": "lnes"}, "sampling='lnes' must be 'lines'"),
        ({"calibration": 14, "learn_coils": "hash"}, "learn_coils='hash' must be"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        kspace(size=24, **options)


def test_classical_methods_refuse_what_is_no_k_space():
    with pytest.raises(TypeError, match="no k-space"):
        problems.sense(ct(size=16, views=4))


@pytest.mark.slow
def test_command_line_writes_nifti_and_hdf5(tmp_path: Path, full: Tensor):
    np.save(tmp_path / "a.npy", full.numpy())
    (tmp_path / "a.toml").write_text(
        '[problem]\nname = "kspace_scan"\npath = "another.npy"\n'
        "acceleration = 2.0\ncalibration = 14\n"
        '[solver]\nsteps = 20\n[baselines]\nnames = ["zero-filled"]\n'
    )
    words = [
        "run",
        str(tmp_path / "a.toml"),
        "--path",
        str(tmp_path / "a.npy"),
        "--out",
        str(tmp_path / "out"),
    ]
    cli.app(words, result_action="return_value")
    image: Any = nibabel.load(tmp_path / "out" / "magnitude.nii.gz")  # type: ignore
    assert image.shape[:2] == SHAPE
    with h5py.File(tmp_path / "out" / "reconstruction.h5") as file:
        assert file["coil_maps"].shape == (COILS, *SHAPE)  # type: ignore
    assert (tmp_path / "out" / "figure.png").exists()
