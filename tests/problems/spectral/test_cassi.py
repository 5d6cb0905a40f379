"""Simulated snapshots: runs, noise, calibration, a second camera, suggestions, and every slip."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

import inverse_inr as ii
from inverse_inr import noise
from inverse_inr.command import cli
from inverse_inr.io import read_matlab
from inverse_inr.problems.spectral import Alignment, Detector, Optics, cassi
from inverse_inr.problems.spectral.instrument import Calibration


def test_a_run_writes_the_cube_and_its_colours(tmp_path: Path):
    config = tmp_path / "small.toml"
    config.write_text(
        '[problem]\nname = "cassi"\nsize = 16\nbands = 5\n'
        "[solver]\nsteps = 10\n[baselines]\nnames = []\n"
    )
    cli.run(config, out=tmp_path / "run")
    assert read_matlab(tmp_path / "run" / "cube.mat", "cube").shape == (16, 16, 5)
    assert {"colours.png", "figure.png", "table.json"} <= {
        p.name for p in (tmp_path / "run").iterdir()
    }


def test_shot_noise_fills_the_well():
    """Residuals have the variance (1 - η) mean / photons + (readout / photons)²."""
    mean = cassi(size=24, bands=4, detector=Detector(noise_level=0.0)).terms[0].y.double()
    term = cassi(
        size=24, bands=4, detector=Detector(full_well=500.0, readout=5.0, efficiency=0.4)
    ).terms[0]
    assert isinstance(term.fidelity, noise.Sensor)
    photons = 500 / float(mean.max())
    assert float(term.fidelity.photons) == pytest.approx(photons)
    expected = 0.6 * mean / photons + (5 / photons) ** 2
    z = (term.y - mean) / expected.sqrt()
    assert float(z.square().mean()) == pytest.approx(1, abs=5 * (2 / len(mean)) ** 0.5)


def test_calibration_known_or_not():
    """With a moved mask and a stretched dispersion, only the true model explains the truth."""
    kinds: tuple[Calibration, ...] = ("true", "nominal", "learnt")
    alignments = [Alignment((0.6, -0.4), 1.2, kind) for kind in kinds]
    quiet = Detector(noise_level=0.0)

    def misfit(problem: ii.Problem) -> float:
        term = problem.terms[0]
        assert problem.reference is not None
        return float((ii.predict(term.operator, problem.reference) - term.y).abs().max())

    true, nominal, learnt = (
        cassi(size=16, bands=6, detector=quiet, alignment=a) for a in alignments
    )
    assert misfit(true) < 1e-5
    assert misfit(nominal) > 0.1
    parameters = dict(learnt.terms[0].operator.named_parameters())  # type: ignore[attr-defined]
    assert sorted(name.rsplit(".", 1)[-1] for name in parameters) == ["mask_shift", "scale"]
    values = {"mask_shift": torch.tensor([0.6, -0.4]), "scale": torch.tensor(1.2)}
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(values[name.rsplit(".", 1)[-1]])
    camera = learnt.terms[0].operator
    seen = ii.predict(camera, learnt.reference).reshape(camera.shape)  # type: ignore[arg-type,attr-defined]
    true_shape = true.terms[0].operator.shape  # type: ignore[attr-defined]
    torch.testing.assert_close(seen[:, : true_shape[1]].reshape(-1), true.terms[0].y)


def test_less_noise_keeps_the_prior_and_the_penalty_and_offers_a_refinement():
    """Weights are relative to the data's precision: a hundred times it at a tenth of the noise."""
    coarse, finer, fine = (
        cassi(size=16, bands=4, detector=Detector(noise_level=level)).suggested
        for level in (0.02, 0.01, 0.001)
    )
    assert coarse.options == finer.options == fine.options
    weights = [s.regularizers[0].parts[0][0] for s in (coarse, finer, fine)]  # type: ignore[attr-defined]
    assert weights[1] / weights[0] == pytest.approx(4, rel=0.05)
    assert weights[2] / weights[1] == pytest.approx(100, rel=0.05)
    assert fine.candidates is not None
    assert finer.candidates is None
    assert finer.baselines.keys() == {"GAP-TV", "ADMM-TV"}


def test_fewer_bands_hold_slower_spectra():
    few, many = (cassi(size=16, bands=n).suggested.options["omega0"][2] for n in (8, 28))
    assert few == pytest.approx(many * 8 / 28)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scene": "astronot"}, "Unknown scene"),
        ({"bands": 0}, "at least 1"),
    ],
)
def test_unknown_scenes_and_no_bands_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        cassi(**{"size": 16, **options})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Optics(step=float("nan")), r"Optics: step=nan must be a number"),
        (lambda: Alignment(mask_shift=(0.5,)), "Alignment: mask_shift=.* must be 2 values"),
        (
            lambda: Alignment(dispersion_scale=-0.02),
            "dispersion_scale=-0.02 must be a number above 0",
        ),
        (
            lambda: Alignment(calibration="learned"),
            "calibration='learned' must be 'true', 'nominal' or 'learnt'",
        ),
        (
            lambda: Detector(noise_level=-0.01),
            "Detector: noise_level=-0.01 must be a number of at least 1e-15, or 0",
        ),
        (lambda: Detector(full_well=0.0), "Detector: full_well=0.0 must be a number above 0"),
        (
            lambda: Detector(full_well=500.0, efficiency=40.0),
            r"efficiency=40.0 must be a number of at least 0 and below 1",
        ),
    ],
)
def test_a_part_of_the_instrument_refuses_what_it_cannot_mean(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_mask_smaller_than_the_scene(tmp_path: Path):
    savemat(tmp_path / "m.mat", {"mask": np.ones((8, 8), np.float32)})
    with pytest.raises(ValueError, match=r"the mask \(8, 8\) is smaller"):
        cassi(size=16, bands=4, optics=Optics(mask=str(tmp_path / "m.mat")))


@pytest.mark.parametrize(("kind", "numbers"), [("panchromatic", ()), ("rgb", (3,))])
def test_a_second_camera_sees_the_scene_without_the_mask(kind, numbers):
    """Weighted means of the spectra, pixel on pixel. The truth explains both to their noise."""
    problem = cassi(size=24, bands=12, second=kind)
    plain = problem.terms[1]
    assert plain.y.shape == (24 * 24, *numbers)
    truth = ii.sample(problem.reference, problem.grid)[..., 0]  # type: ignore[arg-type]
    for term in problem.terms:
        z = term.fidelity.standardized(ii.predict(term.operator, problem.reference), term.y)  # type: ignore
        assert float(z.square().mean()) == pytest.approx(1, abs=6 * (2 / z.numel()) ** 0.5)
    if not numbers:
        mean = plain.operator.map(torch.ones_like(truth))  # type: ignore[attr-defined]
        torch.testing.assert_close(mean, torch.ones_like(mean))


@pytest.mark.slow
def test_two_cameras_are_better_than_one():
    options = {"size": 24, "bands": 6, "seed": 1}
    alone, both = (
        ii.solve(cassi(**options, **more), steps=300, callbacks=[])
        for more in ({}, {"second": "rgb"})
    )  # type: ignore[arg-type]
    assert both.metrics()["PSNR"] > alone.metrics()["PSNR"] + 1
    problem = both.problem
    classical = {
        name: method(problem).metrics()["PSNR"]
        for name, method in problem.suggested.baselines.items()
    }
    assert set(classical) == {"GAP-TV", "CGLS"}
    assert both.metrics()["PSNR"] > max(classical.values())
