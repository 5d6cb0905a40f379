"""Restoration problems at small sizes: simulation, refusals, classical methods and presets."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from cases.image import halves, ramp, save

from inverse_inr import Grid, SampledField, Solver, noise, predict, solve
from inverse_inr.command.config import Run
from inverse_inr.command.tables import read_tables, set_keywords
from inverse_inr.problems.restoration import (
    classical,
    deblur,
    denoise,
    inpaint,
    super_resolution,
)
from inverse_inr.problems.restoration.classical import estimated_noise, measured_image
from inverse_inr.problems.restoration.deconvolution import FramedBlur

PRESETS = Path(__file__).parents[3] / "problems"


# --- the four problems --------------------------------------------------------


def test_a_classical_guide_is_solved_once_for_all_slabs_of_a_large_image():
    problem, calls = inpaint(crop=16), []

    def method(problem):
        calls.append(problem)
        return classical.nearest_known(problem)

    guide = classical.later(method, problem)
    assert not calls
    seen = [guide(problem.grid.points()) for _ in range(3)]
    assert len(calls) == 1
    assert torch.equal(seen[0], classical.nearest_known(problem).field(problem.grid.points()))


def test_inpaint_measures_pixels_and_biharmonic_fills_a_ramp(tmp_path):
    problem = inpaint(save(tmp_path / "a.tif", ramp()), keep=0.5)
    seen = measured_image(problem)
    assert len(problem.terms[0].y) == 240
    assert int(seen.isnan().sum()) == 240
    known = ~seen.isnan()
    assert torch.equal(seen[known], ramp()[known])
    filled = problem.suggested.baselines["biharmonic"](problem)
    # Δ²f = 0 holds for a ramp; at the border the stencil is cut, and a little is lost
    assert float((filled.sample() - ramp())[4:-4].abs().max()) < 0.01
    assert filled.metrics()["PSNR"] > 40


def test_bayer_has_one_channel_a_pixel_and_nearest_fills_it():
    problem = inpaint("cat", pattern="bayer", crop=16)
    assert problem.terms[0].y.shape == (256,)
    assert problem.channels == 3
    filled = problem.suggested.baselines["nearest"](problem).sample()
    seen = measured_image(problem)
    assert not filled.isnan().any()
    assert torch.equal(filled[~seen.isnan()], seen[~seen.isnan()])


@pytest.mark.parametrize(
    ("mask", "match"),
    [
        (0 * ramp(), "keeps no pixel"),
        (halves(20, 24), r"the mask has \(20, 24\).*Transposed"),
        (halves(24, 24), r"the mask has \(24, 24\)"),
        (ramp(), "a mask has two levels"),
    ],
    ids=["empty", "turned", "too wide", "grey levels"],
)
def test_inpaint_refuses_a_mask_that_does_not_fit(tmp_path, mask, match):
    image = save(tmp_path / "a.tif", ramp())
    with pytest.raises(ValueError, match=match):
        inpaint(image, mask=save(tmp_path / "mask.png", mask))


@pytest.mark.parametrize(
    ("options", "match"), [({"pattern": "bayer"}, "Bayer"), ({"keep": 0.0}, "keep=0")]
)
def test_inpaint_refuses_settings_that_do_not_fit(tmp_path, options, match):
    image = save(tmp_path / "a.tif", ramp())
    with pytest.raises(ValueError, match=match):
        inpaint(image, **options)


def test_a_measured_file_is_the_measurement(tmp_path):
    image = save(tmp_path / "a.tif", ramp())
    mask = save(tmp_path / "mask.png", (ramp() > 0.5).float())
    problem = inpaint(image, mask=mask, measured=True)
    assert problem.reference is None
    assert torch.allclose(problem.terms[0].y, ramp()[ramp()[..., 0] > 0.5][:, 0])
    large = super_resolution(image, factor=3, measured=True)
    assert large.grid.shape == (72, 60)
    assert torch.equal(measured_image(large), ramp())


def test_denoise_noise_is_what_the_model_says():
    problem = denoise("camera", crop=64, seed=3)
    term = problem.terms[0]
    assert isinstance(term.fidelity, noise.Sensor)
    assert problem.reference is not None
    truth = predict(term.operator, problem.reference)
    whitened = term.fidelity.standardized(truth, term.y)
    assert abs(float(whitened.mean())) < 0.06
    assert abs(float(whitened.std()) - 1) < 0.06
    other = denoise("camera", crop=64, seed=3)
    assert torch.equal(term.y, other.terms[0].y)
    clean = problem.suggested.baselines["non-local means"](problem)
    before = replace(clean, field=SampledField(measured_image(problem), problem.grid))
    assert clean.metrics()["PSNR"] > before.metrics()["PSNR"] + 5


def test_denoise_without_a_level_estimates_it_and_refuses_none():
    generator = torch.Generator().manual_seed(0)
    flat = 0.5 + 0.05 * torch.randn(64, 64, 1, generator=generator)
    assert estimated_noise(flat) == pytest.approx(0.05, rel=0.1)
    with pytest.raises(ValueError, match="no noise"):
        denoise("camera", crop=16, noise_level=0.0)


def test_the_noise_of_a_measured_file_is_estimated_and_that_of_a_simulation_is_wires():
    noisy = 0.5 + 0.05 * torch.randn(32, 32, 1, generator=torch.Generator().manual_seed(0))
    measured = denoise(noisy, measured=True, rounds=0)
    (term,) = measured.terms
    assert isinstance(term.fidelity, noise.Gaussian)
    assert float(term.fidelity.sigma) == pytest.approx(0.05, rel=0.1)
    assert "second differences" in measured.notes["noise level"]
    (term,) = denoise("camera", crop=16, rounds=0).terms
    assert isinstance(term.fidelity, noise.Sensor)


def test_deblur_frame_is_valid_data():
    problem = deblur("camera", kernel="disc", size=6.0, crop=40, noise_level=1e-6)
    term = problem.terms[0]
    assert isinstance(term.operator, FramedBlur)
    frame, reach = problem.grid, term.operator.grid
    assert problem.box == reach.box
    assert all(a <= b for a, b in zip(reach.box.lower, frame.box.lower, strict=True))
    assert reach.shape[0] > frame.shape[0]
    assert isinstance(problem.reference, SampledField)
    # the truth, cut to what the frame reaches, predicts the data: nothing was made up at the border
    assert torch.allclose(predict(term.operator, problem.reference), term.y, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Wiener", {"balance": 0.1}),
        ("Richardson-Lucy", {}),
        ("TV, no boundary", {"weight": 30.0, "iterations": 100}),
    ],
)
def test_deblurring_improves_on_the_blurred_frame(name, options):
    problem = deblur("camera", kernel="gaussian", size=1.5, crop=64, noise_level=0.002)
    solution = problem.suggested.baselines[name](problem, **options)
    blurred = replace(solution, field=SampledField(measured_image(problem), problem.grid))
    assert solution.sample().shape == (*problem.grid.shape, 1)
    assert solution.metrics()["PSNR"] > blurred.metrics()["PSNR"] + 1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"size": 31.0, "crop": 16}, "no frame left"),
        ({"noise_level": 0.0}, "noise_level"),
        ({"kernel": "gausian", "crop": 64}, "kernel must be"),
        ({"kernel": "gaussian", "size": -1.0, "crop": 64}, "size=-1.0 must be a number above 0"),
    ],
)
def test_deblur_refuses_settings_that_do_not_fit(options, match):
    with pytest.raises(ValueError, match=match):
        deblur("camera", **options)


def test_an_even_kernel_from_a_file_is_centred_between_its_pixels(tmp_path):
    taps = torch.zeros(2, 4, 1)
    taps[:, 1:3] = 1.0
    problem = deblur("camera", kernel=save(tmp_path / "k.png", taps), crop=32, noise_level=1e-6)
    assert isinstance(problem.reference, SampledField)
    flat = SampledField(torch.full_like(problem.reference.values, 0.5), problem.reference.grid)
    assert torch.allclose(predict(problem.terms[0].operator, flat), torch.tensor(0.5), atol=1e-6)


def test_super_resolution_averages_pixels_and_bicubic_keeps_ramps(tmp_path):
    problem = super_resolution(save(tmp_path / "a.tif", ramp()), factor=4)
    expected = ramp()[..., 0].reshape(6, 4, 5, 4).mean((1, 3))
    # exact for a ramp, but for the mirrored one beyond the border
    assert torch.allclose(measured_image(problem)[1:-1, :, 0], expected[1:-1], atol=1e-6)
    assert torch.allclose(measured_image(problem)[..., 0], expected, atol=1e-3)
    large = problem.suggested.baselines["bicubic"](problem).sample()
    assert torch.allclose(large[8:-8], ramp()[8:-8], atol=5e-4)


@pytest.mark.parametrize("make", [inpaint, denoise, super_resolution])
def test_a_short_fit_beats_a_flat_image(make):
    problem = make("camera", crop=32, rounds=1)
    solution = solve(problem, steps=3, callbacks=[])
    flat = replace(solution, field=lambda p: torch.full_like(p[..., :1], 0.5))
    assert solution.metrics()["PSNR"] > flat.metrics()["PSNR"] + 3


@pytest.mark.slow
@pytest.mark.parametrize("make", [inpaint, denoise, deblur, super_resolution])
def test_held_out_measurements_lead_to_nothing(make, monkeypatch):
    """Other held-out values change no guide and no fit, only the misfit that is reported.

    Where the values are seen, they change the fit. Fits are equal up to what they make of rounding:
    which patches are alike is a choice, and L-BFGS goes on from it. A change of 1e-7 in the
    measurements was seen to move a pixel by up to 2e-4 here, a seen value by at least 0.16.
    """
    # deblurring is guided by total variation, which takes the values for what they are
    wrong = 10.0 if make is deblur else 100.0
    # with a whole first fit, rounding moves a pixel by 8e-3
    monkeypatch.setattr("inverse_inr.rounds.Solver", partial(Solver, steps=3))
    count = len(make("camera", crop=32, rounds=1).terms[0].y)
    rows = torch.randperm(count, generator=torch.Generator().manual_seed(0))[: round(0.1 * count)]

    def fit(added: float, held_out: float):
        problem = make("camera", crop=32, rounds=1, held_out=held_out)
        if held_out:
            assert torch.equal(
                problem.suggested.stopping.split(problem.terms, 0)[1][0], rows.sort().values
            )
        problem.terms[0].y[rows] += added
        return solve(problem, steps=1, callbacks=[])

    def moved(held_out: float) -> float:
        return float((fit(0.0, held_out).sample() - fit(wrong, held_out).sample()).abs().max())

    assert moved(held_out=0.1) < 2e-3
    assert moved(held_out=0.0) > 0.1
    assert fit(wrong, 0.1).held_out() > fit(0.0, 0.1).held_out()
    with pytest.raises(ValueError, match="held_out=1"):
        make("camera", crop=32, held_out=1.0)


def test_the_figure_shows_every_picture():
    problem = denoise("cat", crop=16)
    solution = problem.suggested.baselines["non-local means"](problem)
    assert problem.suggested.figure is not None
    figure = problem.suggested.figure(problem, [solution])
    assert figure is not None
    assert [len(ax.images) for ax in figure.axes] == [1, 1, 1]  # measured, truth, solution
    assert "dB" in figure.axes[2].get_title()


# --- presets ------------------------------------------------------------------

NAMES = [
    "inpaint",
    "denoise",
    "deblur",
    "super_resolution",
    "boundary_value",
    "odd_shape",
    "inverse_coefficient",
    "diffusivity",
    "poisson_edit",
    "register",
    "audio",
    "single_pixel",
    "video_snapshot",
]


@pytest.mark.parametrize("name", NAMES)
def test_presets_make_their_problem(name):
    run = Run.read(PRESETS / f"{name}.toml")
    problem = run.problem()
    assert run.tables["problem"]["name"] == name
    assert run.baselines(problem)
    assert isinstance(problem.grid, Grid)
    assert problem.average == 1


def test_a_preset_takes_a_file(tmp_path):
    tables = read_tables(PRESETS / "inpaint.toml")
    set_keywords(tables, {"image": [save(tmp_path / "own.png", ramp())]})
    with pytest.raises(ValueError, match=r"crop=192 is larger than the image.*crop=24 keeps all"):
        Run.of(tables).problem()
    set_keywords(tables, {"crop": ["24"]})
    assert Run.of(tables).problem().grid.shape == (24, 20)
