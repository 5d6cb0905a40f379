"""Measured scans: dead pixels, gains, options, what is refused, and a tooth."""

import math
import os
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from torch import Tensor

from inverse_inr import Box, phantoms
from inverse_inr.operators import ParallelBeam
from inverse_inr.operators.ct.center_of_rotation import center_by_symmetry, center_of_rotation
from inverse_inr.problems.ct import ct_scan, filtered_backprojection
from inverse_inr.stopping import HeldOut

DATA = Path(os.environ.get("INVERSE_INR_DATA", Path(__file__).parents[4] / "shared" / "data"))
SMALL: dict[str, Any] = {"size": 48, "views": 24}


WIDTH = 96
OFFSET = 5.3
FLUX = 2e4
DARK = 100.0
DEAD = (20, 71)


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
    problem = ct_scan(str(tmp_path / "scan.h5"), row=1, fidelity=fidelity, hold_out_views=10)
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
    binned = ct_scan(path, bin=2, every=2, size=40)
    operator: Any = binned.terms[0].operator
    assert operator.shape == (46, WIDTH // 2)
    assert float(operator.center.detach()) == pytest.approx(OFFSET / 2, abs=0.25)
    assert binned.notes["centre of rotation found (px)"] == pytest.approx(OFFSET, abs=0.5)
    axis: Any = {"center": 4.0, "learn_center": False}
    fixed: Any = ct_scan(path, bin=2, **axis).terms[0].operator
    assert not list(fixed.parameters())
    assert float(fixed.center) == 2.0
    # bins of five drop the last pixel
    uneven: Any = ct_scan(path, bin=5, **axis).terms[0].operator
    assert float(uneven.center) == pytest.approx((4.0 + 0.5) / 5, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bin": 10 * WIDTH}, "bin="),
        ({"fidelity": "l1"}, "fidelity='l1' must be"),
        ({"row": 2}, "rows=2"),
        ({"every": 91}, "every=91 leaves one of the 91 views"),
        ({"center": 97.0}, "center=97.0 is counted from the middle"),
        ({"values": "line integrals", "air": 3}, "these are line integrals"),
        ({"span": 0.0}, "span=0.0 must be positive"),
        ({"values": "photons"}, "values='photons' must be"),
        ({"names": {"flats": "a"}}, "'flats' is no part of a scan"),
        ({"span": 180.0, "angles": torch.arange(91.0)}, "give one of them"),
        ({"angles": torch.arange(90.0)}, "90 angles, and the scan has 91"),
    ],
)
def test_options_that_do_not_fit_the_scan_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
):
    scan(tmp_path / "scan.h5")
    with pytest.raises(ValueError, match=message):
        ct_scan(str(tmp_path / "scan.h5"), **change)


@pytest.mark.skipif(
    not (DATA / "tooth.h5").is_file(), reason=f"real data: no tooth.h5 in {DATA} (INVERSE_INR_DATA)"
)
def test_the_tooth():
    problem = ct_scan(str(DATA / "tooth.h5"), bin=2, hold_out_views=12, size=160)
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
    wrong = ct_scan(
        str(DATA / "tooth.h5"), bin=2, center=2 * found + 12, hold_out_views=12, size=160
    )
    worse = filtered_backprojection(wrong).held_out()
    assert held is not None
    assert worse is not None
    assert worse > 1.2 * held
