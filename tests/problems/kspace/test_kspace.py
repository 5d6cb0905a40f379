"""MRI problems and the files they come from: simulated, NumPy, fastMRI, ISMRMRD; and what is refused."""

from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import Box, Grid, phantoms, predict, sample
from inverse_inr.io import FileFormatError, read_kspace
from inverse_inr.operators import (
    CartesianKSpace,
    LearnedCoils,
    RadialSpokes,
    birdcage_maps,
    centred_box,
)
from inverse_inr.problems.kspace import kspace, kspace_scan
from inverse_inr.problems.kspace import simulated as problems
from inverse_inr.problems.kspace.scan import noise_of

SHAPE, COILS = (40, 36), 4


@pytest.fixture(scope="module")
def full() -> Tensor:
    """(coils, *shape) as a scanner stores it: a phantom, FFT convention, a little noise."""
    grid = Grid(centred_box(SHAPE, (2.0, 2.0), ("mm", "mm")), SHAPE)
    operator = CartesianKSpace(grid, torch.ones(SHAPE, dtype=torch.bool))
    coils, field = birdcage_maps(grid.box, COILS), phantoms.shepp_logan(grid.box)
    y = operator.lattice(coils.fourier(field.fourier, operator.frequencies)) / 10
    noise = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(0))
    return (y + 0.002 * noise).to(torch.complex64)


HEADER = (
    '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding><encodedSpace><matrixSize><x>{}</x><y>{}</y>'
    "</matrixSize><fieldOfView_mm><x>80</x><y>72</y></fieldOfView_mm></encodedSpace><encodingLimits>"
    "<kspace_encoding_step_1><center>{}</center></kspace_encoding_step_1></encodingLimits></encoding></ismrmrdHeader>"
)


def write_ismrmrd(path: Path, full: Tensor, lines: list[int], **head: int) -> None:
    """As ISMRMRD files are: a compound record a readout, after one of noise."""
    idx = np.dtype([("kspace_encode_step_1", "u2"), ("slice", "u2")])
    names = (
        "flags",
        "number_of_samples",
        "active_channels",
        "center_sample",
        "trajectory_dimensions",
    )
    kind = np.dtype(
        [
            ("head", [(n, "u8") for n in names] + [("idx", idx)]),
            ("data", h5py.vlen_dtype(np.float32)),
        ]
    )
    records = np.zeros(len(lines) + 1, kind)
    for k, line in enumerate([*lines[:1], *lines]):
        values = {
            "flags": 1 << 18 if k == 0 else 0,
            "number_of_samples": full.shape[1],
            "active_channels": len(full),
            "center_sample": full.shape[1] // 2,
            "trajectory_dimensions": 0,
        } | head
        for name, value in values.items():
            records[k]["head"][name] = value
        records[k]["head"]["idx"]["kspace_encode_step_1"] = line
        records[k]["data"] = full[:, :, line].contiguous().numpy().view(np.float32).ravel() * (
            50 if k == 0 else 1
        )
    with h5py.File(path, "w") as file:
        file["dataset/data"] = records
        file["dataset/xml"] = np.array(
            [HEADER.format(*full.shape[1:], full.shape[2] // 2)], dtype=h5py.string_dtype()
        )


def test_formats_say_the_same(tmp_path: Path, full: Tensor):
    lines = [*range(0, SHAPE[1], 2), SHAPE[1] // 2 + 1]
    mask = torch.zeros(SHAPE, dtype=torch.bool)
    mask[:, lines] = True
    np.save(tmp_path / "a.npy", (full * mask).numpy())
    np.save(tmp_path / "b.npy", (full * mask).movedim(0, -1).numpy())
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["kspace"] = torch.stack([torch.zeros_like(full), full, torch.zeros_like(full)]).numpy()
        file["mask"] = mask[0].numpy()
        file["ismrmrd_header"] = HEADER.format(*SHAPE, SHAPE[1] // 2)
    write_ismrmrd(tmp_path / "d.h5", full, lines + lines)  # two averages
    for name, options in (
        ("a.npy", {}),
        ("b.npy", {"coil_axis": -1}),
        ("c.h5", {"slice": 1}),
        ("d.h5", {}),
    ):
        raw = read_kspace(tmp_path / name, **options)
        torch.testing.assert_close(raw.values, full * mask)
        assert torch.equal(raw.mask, mask)
        assert raw.spacing == ((2.0, 2.0) if name.endswith("h5") else None)
    with pytest.raises(ValueError, match="slice=3, but the file holds 3"):
        read_kspace(tmp_path / "c.h5", slice=3)


def _swapped(x: np.ndarray) -> np.ndarray:
    return np.fft.ifftshift(x, (1, 2))


BAD: dict[str, tuple[Any, str]] = {
    "fft order": (_swapped, "In the order of an FFT"),
    "off centre": (lambda x: np.roll(x, 12, 1), "not at the centre"),
    "image": (np.abs, "expected complex"),
    "coils last": (lambda x: np.moveaxis(x, 0, -1), "Pass coil_axis=2"),
    "nan": (lambda x: np.where(np.arange(x.shape[1])[None, :, None] == 3, np.nan, x), "NaN"),
    "empty": (np.zeros_like, "zero everywhere"),
    "axes": (lambda x: x[0, 0], "axes of space"),
}


@pytest.mark.parametrize("slip", BAD)
def test_bad_arrays(tmp_path: Path, full: Tensor, slip: str):
    change, message = BAD[slip]
    np.save(tmp_path / "bad.npy", change(full.numpy()))
    with pytest.raises(FileFormatError, match=message):
        kspace_scan(str(tmp_path / "bad.npy"))


def test_bad_files(tmp_path: Path, full: Tensor):
    with h5py.File(tmp_path / "good.h5", "w") as file:
        file["kspace"] = full[None].numpy()
    whole = (tmp_path / "good.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match="truncated or damaged"):
        read_kspace(tmp_path / "cut.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["image"] = np.zeros(3)
    with pytest.raises(FileFormatError, match="found image"):
        read_kspace(tmp_path / "other.h5")
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        file["kspace"], file["mask"] = full[None].numpy(), np.ones(7)
    with pytest.raises(FileFormatError, match="mask has 7 entries"):
        read_kspace(tmp_path / "mask.h5")
    write_ismrmrd(tmp_path / "radial.h5", full, [1, 2], trajectory_dimensions=2)
    with pytest.raises(FileFormatError, match="not Cartesian"):
        read_kspace(tmp_path / "radial.h5")
    write_ismrmrd(tmp_path / "long.h5", full, [1, 2], number_of_samples=99)
    with pytest.raises(FileFormatError, match="does not fit"):
        read_kspace(tmp_path / "long.h5")
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read_kspace(tmp_path / "none.h5")


def test_retrospective_undersampling_has_a_reference(tmp_path: Path, full: Tensor):
    np.save(tmp_path / "a.npy", full.numpy())
    problem = kspace_scan(str(tmp_path / "a.npy"), acceleration=3, calibration=14)
    assert problem.notes["fully sampled"]
    assert problem.reference is not None
    term = problem.terms[0]
    seen = predict(
        term.operator, lambda p: sample(problem.reference, problem.grid).to(torch.complex64)
    )  # type: ignore
    assert (
        float((seen.detach() - term.y).norm() / term.y.norm()) < 0.3
    )  # maps are estimated, and the reference has no sign
    assert kspace_scan(str(tmp_path / "a.npy")).reference is None
    assert problem.grid.spacing == (1.0, 1.0)
    sigma = 0.002 * problem.notes["scale"]
    assert (
        0.8 * sigma < problem.notes["noise of a pixel"] < 4 * sigma
    )  # edges reach the periphery of 40 pixels


def test_an_image_of_half_pixels(tmp_path: Path, full: Tensor):
    """The fit has four values a pixel, classical methods the pixels; both predict the same samples."""
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
    assert found < 0.9 * rough  # of an image with edges
    assert fine.metrics()["PSNR"] > coarse.metrics()["PSNR"]
    with pytest.raises(ValueError, match="finer=0"):
        kspace_scan(str(tmp_path / "a.npy"), finer=0)


def test_noise_is_found_in_the_periphery():
    grid = Grid(Box((-1, -1), (1, 1)), (64, 64))
    operator = CartesianKSpace(grid, torch.ones(64, 64, dtype=torch.bool))
    y = ii.noise.ComplexGaussian(0.3).sample(
        torch.zeros(len(operator), 6) + 0j, torch.Generator().manual_seed(0)
    )
    assert noise_of(operator, y) == pytest.approx(0.3, rel=0.06)


@pytest.mark.parametrize("phase", ["coils", "image", "both"])
@pytest.mark.parametrize("learn", ["grid", "polynomial", "none"])
def test_simulated_problems_start_near_the_truth(phase: Any, learn: Any):
    """Of the truth in its gauge and the maps that learning starts from, the data are nearly predicted."""
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
        predicted = predict(
            term.operator, lambda p: sample(problem.reference, problem.grid, average=4)
        )  # type: ignore
        assert (
            float((predicted.detach() - term.y).norm() / term.y.norm()) < 0.2
        )  # edges between 40 pixels


@pytest.mark.slow
def test_joint_reconstruction_beats_the_classics():
    problem = kspace(size=48, acceleration=3, calibration=16, coils=6, noise_level=0.02)
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


@pytest.mark.parametrize("sampling", ["equispaced", "variable_density", "poisson_disc", "spiral"])
def test_every_sampling_makes_a_problem(sampling: Any):
    problem = kspace(size=32, sampling=sampling, calibration=14, acceleration=2, spokes=8, coils=3)
    assert problems.sense(problem, 3).metrics()["PSNR"] > 10


def test_refusals():
    with pytest.raises(ValueError, match="sampling must be 'radial'"):
        kspace(size=24, rays=True, calibration=14)
    with pytest.raises(ValueError, match="Cartesian sampling must be"):
        kspace(size=24, sampling="lnes")  # type: ignore
    with pytest.raises(ValueError, match="learn_coils must be"):
        kspace(size=24, calibration=14, learn_coils="hash")  # type: ignore
    with pytest.raises(TypeError, match="no k-space"):
        problems.sense(_ct())


def _ct() -> ii.Problem:
    from inverse_inr.problems.ct import ct

    return ct(size=16, views=4)


def test_command_line_writes_nifti_and_hdf5(tmp_path: Path, full: Tensor):
    from inverse_inr.command import cli

    np.save(tmp_path / "a.npy", full.numpy())
    (tmp_path / "a.toml").write_text(
        '[problem]\nname = "kspace_scan"\npath = "another.npy"\nacceleration = 2.0\ncalibration = 14\n'
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
