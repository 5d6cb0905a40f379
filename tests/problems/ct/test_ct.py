"""CT problems, simulated and measured: what they hold, and what they find in a scan."""

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, noise, phantoms, predict
from inverse_inr.io import FileFormatError, write_image
from inverse_inr.operators import FanBeam, ParallelBeam
from inverse_inr.operators.ct.center_of_rotation import center_by_symmetry, center_of_rotation
from inverse_inr.problems.ct import Reading, RotationAxis, ct, ct_scan, filtered_backprojection
from inverse_inr.stopping import HeldOut

DATA = Path(os.environ.get("INVERSE_INR_DATA", Path(__file__).parents[4] / "shared" / "data"))
SMALL: dict[str, Any] = {"size": 48, "views": 24}


def truth_seen(problem: Any) -> Tensor:
    term = problem.terms[0]
    assert problem.reference is not None
    with torch.no_grad():
        return predict(term.operator, problem.reference)


@pytest.mark.parametrize("phantom", ["shepp_logan", "gaussian_blobs"])
@pytest.mark.parametrize(
    ("beam", "kind", "turn"),
    [("parallel", ParallelBeam, math.pi), ("fan", FanBeam, 2 * math.pi)],
    ids=["parallel", "fan"],
)
def test_simulated_scans_reconstruct(phantom: str, beam: Any, kind: type, turn: float):
    problem = ct(phantom, beam=beam, size=64, views=90, detectors=96)
    operator = problem.terms[0].operator
    assert isinstance(operator, ParallelBeam | FanBeam)
    assert isinstance(operator, kind)
    assert operator.shape == (90, 96)
    assert problem.grid.shape == (64, 64)
    assert float(operator.angles[-1]) == pytest.approx(turn * 89 / 90, rel=1e-5)
    solution = filtered_backprojection(problem)
    assert solution.metrics()["PSNR"] > 20
    assert solution.held_out() is not None


def test_noise_has_its_level_and_data_are_no_inverse_crime():
    problem = ct(noise_level=0.01, **SMALL)
    term, clean = problem.terms[0], ct(noise_level=1e-9, **SMALL).terms[0].y
    assert isinstance(term.fidelity, noise.Gaussian)
    sigma = float(torch.as_tensor(term.fidelity.sigma))
    assert sigma == pytest.approx(0.01 * float(clean.max()), rel=1e-3)
    assert float((term.y - clean).std()) == pytest.approx(sigma, rel=0.1)
    mismatch = float((truth_seen(problem) - clean).norm() / clean.norm())
    assert 1e-5 < mismatch < 0.05


def test_fbp_of_learnable_angles():
    problem = ct(**SMALL)
    operator: Any = problem.terms[0].operator
    learnt = ParallelBeam(
        problem.box, torch.nn.Parameter(operator.angles.clone()), operator.shape[1], subrays=2
    )
    same = replace(problem, terms=[replace(problem.terms[0], operator=learnt)])
    assert torch.allclose(
        filtered_backprojection(same).sample(), filtered_backprojection(problem).sample()
    )


def test_seed_and_coverage():
    first, again, other = (ct(seed=s, **SMALL).terms[0].y for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    limited: Any = ct(coverage=120, **SMALL).terms[0].operator
    assert float(limited.angles.max()) == pytest.approx(math.radians(120 * 23 / 24), rel=1e-5)


def test_photons_give_counts():
    problem = ct("gaussian_blobs", photons=1e4, **SMALL)
    term = problem.terms[0]
    assert isinstance(term.fidelity, noise.Poisson)
    assert torch.equal(term.y, term.y.round())
    assert float(term.y.max()) == pytest.approx(1e4, rel=0.06)
    seen = truth_seen(problem)
    assert float(seen.max()) == pytest.approx(4, rel=0.05)
    residual = term.fidelity.standardized(seen.to(term.y), term.y)
    # 0.4549 is the median of chi-square with one degree of freedom
    assert 0.8 < float(residual.square().median()) / 0.4549 < 1.4
    assert filtered_backprojection(problem).metrics()["PSNR"] > 15


@pytest.mark.parametrize(
    ("options", "message"),
    [({"phantom": "shepp_logn"}, "Did you mean 'shepp_logan'"), ({"beam": "cone"}, "beam must be")],
)
def test_unknown_names_and_beams_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        ct(**SMALL, **options)


def volume(path: Path) -> tuple[Grid, Tensor]:
    grid = Grid(Box((0, 0, 0), (40, 60, 10), ("mm",) * 3), (20, 30, 5))
    middle = torch.tensor([18.0, 33.0, 4.0])
    values = 5 * torch.exp(-(grid.points() - middle).square().sum(-1, keepdim=True) / 2 / 6**2)
    write_image(path, values, grid)
    return grid, values


def test_a_slice_of_a_volume(tmp_path: Path):
    _, values = volume(tmp_path / "v.nii.gz")
    problem = ct(str(tmp_path / "v.nii.gz"), slice=1, size=45, views=60, detectors=60)
    assert problem.grid.shape == (30, 45)
    assert problem.box.lengths == pytest.approx((40, 60))
    assert problem.box.units == ("mm", "mm")
    assert problem.reference is not None
    reference = problem.reference(Grid(problem.box, (20, 30)).points())
    assert torch.allclose(reference, values[:, :, 1] / values[:, :, 1].max(), atol=1e-4)
    clean = ct(
        str(tmp_path / "v.nii.gz"), slice=1, size=45, views=60, detectors=60, noise_level=1e-9
    )
    seen, y = truth_seen(clean), clean.terms[0].y
    assert 0 < float((seen - y).norm() / y.norm()) < 0.02
    assert filtered_backprojection(problem).metrics()["PSNR"] > 25
    middle, named = (
        ct(str(tmp_path / "v.nii.gz"), slice=k, size=20, views=8).terms[0].y for k in (None, 2)
    )
    assert torch.equal(middle, named)


def test_a_slice_beyond_the_volume_is_refused(tmp_path: Path):
    volume(tmp_path / "v.nii.gz")
    with pytest.raises(ValueError, match="5 slices"):
        ct(str(tmp_path / "v.nii.gz"), slice=5)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture(tmp_path: Path, channels: int):
    grid = Grid(Box((0, 0), (32, 24), ("px", "px")), (32, 24))
    blob = torch.exp(
        -(grid.points() - torch.tensor([14.0, 12.0])).square().sum(-1, keepdim=True) / 2 / 4**2
    )
    write_image(tmp_path / "p.png", blob.expand(-1, -1, channels), grid)
    for beam in ("parallel", "fan"):
        problem = ct(str(tmp_path / "p.png"), size=32, views=40, beam=beam)
        assert problem.grid.shape == (32, 24)
        assert filtered_backprojection(problem).metrics()["PSNR"] > 20


WIDTH, OFFSET, FLUX, DARK, DEAD = 96, 5.3, 2e4, 100.0, (20, 71)


def scan(
    path: Path, *, gain: float = 1.0, dead: tuple[int, ...] = DEAD, units: str = "degrees"
) -> Tensor:
    """Write two rows of counts of a Shepp-Logan head off the middle; return its line integrals."""
    box = Box((-48.0, -48.0), (48.0, 48.0))
    angles = torch.arange(91, dtype=torch.float64) * math.pi / 90
    beam = ParallelBeam(box, angles, WIDTH, pitch=1.0, center=OFFSET)
    head = phantoms.shepp_logan(Box((-40.0, -40.0), (40.0, 40.0)))
    line = 0.06 * head.line_integral(*beam.rays(torch.arange(len(beam)), 8)).mean(1).reshape(
        91, WIDTH
    )
    generator = torch.Generator().manual_seed(0)
    flat = FLUX * (1 + 0.1 * torch.sin(torch.arange(WIDTH) / 7.0))
    live = torch.ones(WIDTH)
    live[list(dead)] = 0

    def frames(rate: Tensor) -> Tensor:
        return (gain * live * torch.poisson(rate.float(), generator))[:, None].expand(-1, 2, -1)

    with h5py.File(path, "w") as file:
        file["exchange/data"] = frames(flat * torch.exp(-line) + DARK).numpy()
        file["exchange/data_white"] = frames((flat + DARK).expand(20, -1)).numpy()
        file["exchange/data_dark"] = frames(torch.full((20, WIDTH), DARK)).numpy()
        file["exchange/theta"] = {"radians": angles, "degrees": angles.rad2deg()}[units].numpy()
        file["exchange/theta"].attrs["units"] = units
    return line


@pytest.mark.parametrize("fidelity", ["gaussian", "poisson"])
def test_a_scan_with_dead_pixels(tmp_path: Path, fidelity: Any):
    line = scan(tmp_path / "scan.h5")
    problem = ct_scan(
        str(tmp_path / "scan.h5"), reading=Reading(row=1), fidelity=fidelity, hold_out_views=10
    )
    term, operator = problem.terms[0], problem.terms[0].operator
    assert isinstance(operator, ParallelBeam)
    assert isinstance(operator.center, torch.nn.Parameter)
    assert float(operator.center.detach()) == pytest.approx(OFFSET, abs=0.5)
    assert problem.notes["centre of rotation found (px)"] == pytest.approx(OFFSET, abs=0.5)
    assert problem.notes["masked values"] == f"{91 * len(DEAD)} of {91 * WIDTH}"
    assert not set((term.trusted % WIDTH).tolist()) & set(DEAD)
    model: Any = term.fidelity
    residual = model.at(term.trusted).standardized(
        line.flatten()[term.trusted].float(), term.y[term.trusted]
    )
    # the noise model has the noise's size
    assert float(residual.square().mean()) == pytest.approx(1, abs=0.25)
    stopping = problem.suggested.stopping
    assert isinstance(stopping, HeldOut)
    fit, watch = stopping.split(problem.terms, 0)
    views = [set((rows[0] // WIDTH).tolist()) for rows in (fit, watch)]
    assert not views[0] & views[1]
    assert len(views[1]) == 9
    solution = filtered_backprojection(problem)
    assert solution.held_out() is not None
    assert float(solution.sample().max()) == pytest.approx(0.06, rel=0.5)


def test_gain_comes_from_the_flats_despite_dead_pixels(tmp_path: Path):
    scan(tmp_path / "scan.h5", gain=4.0, dead=())
    assert ct_scan(str(tmp_path / "scan.h5")).notes["counts a quantum"] == pytest.approx(
        4, rel=0.15
    )
    scan(tmp_path / "dead.h5", gain=4.0)
    assert ct_scan(str(tmp_path / "dead.h5")).notes["counts a quantum"] == pytest.approx(
        4, rel=0.15
    )


@pytest.mark.parametrize("fidelity", ["gaussian", "poisson"])
@pytest.mark.parametrize(("dataset", "masked"), [("data", 1), ("data_white", 91)])
def test_nan_is_masked(tmp_path: Path, dataset: str, masked: int, fidelity: Any):
    scan(tmp_path / "scan.h5", dead=())
    with h5py.File(tmp_path / "scan.h5", "a") as file:
        file[f"exchange/{dataset}"][3, :, 50] = math.nan
    problem = ct_scan(str(tmp_path / "scan.h5"), fidelity=fidelity)
    assert problem.notes["masked values"] == f"{masked} of {91 * WIDTH}"
    assert problem.notes["centre of rotation found (px)"] == pytest.approx(OFFSET, abs=0.5)


def test_options_of_a_scan(tmp_path: Path):
    path = str(tmp_path / "scan.h5")
    scan(tmp_path / "scan.h5", units="radians")
    binned = ct_scan(path, reading=Reading(bin=2, every=2), size=40)
    operator: Any = binned.terms[0].operator
    assert operator.shape == (46, WIDTH // 2)
    assert float(operator.center.detach()) == pytest.approx(OFFSET / 2, abs=0.25)
    assert binned.notes["centre of rotation found (px)"] == pytest.approx(OFFSET, abs=0.5)
    axis = RotationAxis(4.0, learn_center=False)
    fixed: Any = ct_scan(path, axis=axis, reading=Reading(bin=2)).terms[0].operator
    assert not list(fixed.parameters())
    assert float(fixed.center) == 2.0
    # bins of five drop the last pixel
    uneven: Any = ct_scan(path, axis=axis, reading=Reading(bin=5)).terms[0].operator
    assert float(uneven.center) == pytest.approx((4.0 + 0.5) / 5, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reading": Reading(bin=10 * WIDTH)}, "bin="),
        ({"fidelity": "l1"}, "fidelity must be"),
        ({"reading": Reading(row=2)}, "rows=2"),
    ],
)
def test_options_that_do_not_fit_the_scan_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
):
    scan(tmp_path / "scan.h5")
    with pytest.raises(ValueError, match=message):
        ct_scan(str(tmp_path / "scan.h5"), **change)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"bin": 0}, "Reading: bin=0 must be 1 or more"),
        ({"row": -1}, "Reading: row=-1 must be 0 or more"),
        ({"every": 0}, "Reading: every=0"),
        ({"air": -1}, "Reading: air=-1"),
        ({"span": 0.0}, "Reading: span=0.0 must be positive"),
    ],
)
def test_a_reading_refuses_what_it_cannot_mean(part: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        Reading(**part)


def test_a_missing_dataset_is_named(tmp_path: Path):
    scan(tmp_path / "scan.h5")
    with h5py.File(tmp_path / "scan.h5", "a") as file:
        del file["exchange/data_white"]
    with pytest.raises(FileFormatError, match="exchange/data_white"):
        ct_scan(str(tmp_path / "scan.h5"))


@pytest.mark.skipif(
    not (DATA / "tooth.h5").is_file(), reason=f"real data: no tooth.h5 in {DATA} (INVERSE_INR_DATA)"
)
def test_the_tooth():
    problem = ct_scan(str(DATA / "tooth.h5"), reading=Reading(bin=2), hold_out_views=12, size=160)
    term, operator = problem.terms[0], problem.terms[0].operator
    assert isinstance(operator, ParallelBeam)
    found = problem.notes["centre of rotation found (px)"] / 2
    assert float(operator.center.detach()) == pytest.approx(found, abs=1e-4)
    line = operator.unflatten(term.y).where(torch.isfinite(operator.unflatten(term.y)), 0.0)
    assert center_of_rotation(line, operator.angles) == pytest.approx(found, abs=0.05)
    half = operator.angles < math.pi - 1e-4
    candidates = torch.arange(found - 6, found + 6, 0.05)
    assert center_by_symmetry(line[half], operator.angles[half], candidates) == pytest.approx(
        found, abs=0.25
    )
    solution = filtered_backprojection(problem)
    assert torch.isfinite(solution.sample()).all()
    held = solution.held_out()
    off = RotationAxis(2 * found + 12)
    wrong = ct_scan(
        str(DATA / "tooth.h5"), reading=Reading(bin=2), axis=off, hold_out_views=12, size=160
    )
    worse = filtered_backprojection(wrong).held_out()
    assert held is not None
    assert worse is not None
    assert worse > 1.2 * held
