"""Receivers of unequal and correlated noise are whitened: by a scan, a given sigma, an estimate."""

from pathlib import Path

import numpy as np
import pytest
import torch
from cases.mrd import (
    COILS,
    NX,
    NY,
    Readout,
    Space,
    coil_images,
    header,
    kspace_of,
    lines_of,
    write_own,
)

from inverse_inr import Problem
from inverse_inr.problems.kspace import kspace_scan
from inverse_inr.problems.kspace import simulated as problems

K = kspace_of(coil_images())
SPACE = Space((NX, NY))
MIXING = 0.05 * np.array([[0.3, 0, 0], [0.2j, 0.2, 0], [0.5, 0.1j, 4.0]])
COVARIANCE = MIXING @ MIXING.conj().T


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """(coils, *shape) complex noise of that covariance."""
    parts = np.random.default_rng(seed).standard_normal((2, COILS, *shape)) / 2**0.5
    return np.einsum("ij,j...->i...", MIXING, parts[0] + 1j * parts[1])


NOISY = K + noise((NX, NY), 1)
SCAN = Readout(noise((6000,), 2), (19,))


def file(folder: Path, k: np.ndarray, *more: Readout) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / "a.h5"
    path.unlink(missing_ok=True)
    return str(write_own(path, [*more, *lines_of(k)], header([SPACE])))


def noise_of(noisy: Problem, clean: Problem) -> torch.Tensor:
    """The noise in y, in the unit of the noisy problem's sigma, (samples, coils)."""
    term, other = noisy.terms[0], clean.terms[0]
    n = term.y - other.y * (noisy.notes["scale"] / clean.notes["scale"])
    return term.fidelity.standardized(n, torch.zeros_like(n))


GIVEN = {
    "scan": {},
    "covariance": {"sigma": torch.from_numpy(COVARIANCE)},
}


@pytest.mark.slow
@pytest.mark.parametrize("how", GIVEN)
def test_whitened_noise_is_uncorrelated_and_of_the_size_that_is_said(tmp_path: Path, how: str):
    """Both files say the same covariance, so that both are mixed by the same matrix."""
    noisy = kspace_scan(file(tmp_path / "n", NOISY, SCAN), **GIVEN[how])
    clean = kspace_scan(file(tmp_path / "c", K, SCAN), **GIVEN[how])
    z = noise_of(noisy, clean)
    covariance = z.T @ z.conj() / len(z)
    torch.testing.assert_close(covariance, torch.eye(COILS) + 0j, rtol=0, atol=0.15)
    expected = "noise scan" if how == "scan" else "given sigma"
    assert expected in noisy.notes["receivers"]


@pytest.mark.slow
def test_whitening_a_loud_coil_makes_the_error_a_fifth(tmp_path: Path):
    """One coil is ten times as noisy as the others; without whitening it rules the image."""
    images = {}
    for name, options in (
        ("none", {"whiten": "none"}),
        ("scan", {}),
        ("given", GIVEN["covariance"]),
    ):
        options = {"maps": "low_resolution", "learn_coils": "none", **options}
        noisy = kspace_scan(file(tmp_path / "n", NOISY, SCAN), **options)
        clean = kspace_scan(file(tmp_path / "c", K, SCAN), **options)
        pair = [problems.zero_filled(p).sample()[..., 0].abs() for p in (noisy, clean)]
        pair[0] = pair[0] / noisy.notes["scale"] * clean.notes["scale"]
        inside = pair[1] > 0.1 * pair[1].max()
        images[name] = float((pair[0] - pair[1])[inside].norm() / pair[1][inside].norm())
    assert images["scan"] < 0.2 * images["none"]
    assert images["given"] == pytest.approx(images["scan"], rel=0.1)


@pytest.mark.slow
def test_the_noise_of_each_coil_is_estimated(tmp_path: Path):
    levels = np.array([0.02, 0.1, 0.3])
    parts = np.random.default_rng(3).standard_normal((2, *K.shape)) / 2**0.5
    noisy = K + levels[:, None, None] * (parts[0] + 1j * parts[1])
    path = file(tmp_path, noisy)
    estimated = kspace_scan(path)
    given = kspace_scan(path, sigma=levels.tolist())
    assert "each whitened by its own noise" in estimated.notes["receivers"]
    scale = [p.notes["noise of a pixel"] / p.notes["scale"] for p in (estimated, given)]
    assert scale[1] == pytest.approx(float(np.sqrt((levels**2).mean())), rel=1e-3)
    assert scale[0] == pytest.approx(scale[1], rel=0.1)
    alike = kspace_scan(path, whiten="none")
    assert "receivers" not in alike.notes


def test_a_coil_that_measured_nothing_is_left_out(tmp_path: Path):
    dead = K.copy()
    dead[1] = 0
    problem = kspace_scan(file(tmp_path, dead + 1e-3 * noise((NX, NY), 4) * (dead != 0)))
    assert problem.notes["coils left out"] == "[1], which measured nothing"
    assert problem.notes["coils"] == COILS - 1


@pytest.mark.slow
def test_a_mean_of_more_measurements_is_less_noisy(tmp_path: Path):
    """Central lines are measured four times, others once."""
    lines = lines_of(K)
    middle = [
        Readout(r.data, (), {**r.head, "average": a})
        for a in (1, 2, 3)
        for r in lines[NY // 2 - 4 : NY // 2 + 4]
    ]
    path = write_own(tmp_path / "a.h5", lines + middle, header([SPACE]))
    problem = kspace_scan(str(path), sigma=0.1)
    sigma = problem.terms[0].fidelity.sigma.reshape(NX, NY)
    torch.testing.assert_close(sigma[:, 0], 2 * sigma[:, NY // 2])
    assert "up to 4" in problem.notes["averages"]
    assert float(sigma[0, 0]) == pytest.approx(
        0.1 * problem.notes["scale"] * problem.grid.spacing[0] ** 2 * problem.grid.numel**0.5
    )


def test_separate_reference_lines_serve_regular_undersampling(tmp_path: Path):
    """Every second line has no centre to make maps of; reference lines of other contrast do."""
    lines = lines_of(K)
    half = lines[::2]
    other = [Readout(5 * np.exp(1j) * r.data, (20,), r.head) for r in lines[4:20]]
    path = write_own(tmp_path / "a.h5", half + other, header([SPACE]))
    problem = kspace_scan(str(path), phase="image", learn_coils="none", whiten="none")
    assert "separate lines" in problem.notes["reference lines"]
    image = problems.sense(problem, 30).sample()[..., 0].abs()
    truth = coil_images().abs().square().sum(0).sqrt().float() * problem.notes["scale"]
    assert float((image - truth).norm() / truth.norm()) < 0.12


REFUSED = {
    "no scan": ({"whiten": "scan"}, "whiten='scan', but the file gives no noise scan"),
    "other coils": ({"sigma": [1.0, 2.0]}, r"sigma of shape \(2,\) for 3 coils"),
    "zero": ({"sigma": 0.0}, "sigma=0"),
    "a zero among them": ({"sigma": [1.0, 0.0, 1.0]}, "sigma of each coil must be"),
    "singular": ({"sigma": torch.ones(3, 3)}, "not positive definite"),
    "not Hermitian": ({"sigma": torch.triu(torch.ones(3, 3))}, "not Hermitian"),
}


@pytest.mark.parametrize("slip", REFUSED)
def test_noise_that_does_not_fit_is_refused(tmp_path: Path, slip: str):
    options, message = REFUSED[slip]
    path = file(tmp_path, K)
    with pytest.raises(ValueError, match=message):
        kspace_scan(path, **options)
