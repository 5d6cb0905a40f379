"""Families taught by cubes, for CASSI snapshots and colour images: they must beat linear maps."""

from dataclasses import replace

import pytest
import torch

from inverse_inr import sample
from inverse_inr.problems.spectral import cassi, hyper_spectra, sinr, spectral_sr
from inverse_inr.problems.spectral.trained import of_pixels

SCENES = ("astronaut", "coffee", "cat")


def rmse(solution) -> float:
    problem = solution.problem
    return float(
        (solution.sample() - sample(problem.reference, problem.grid)).square().mean().sqrt()
    )


def of_network_and_maps(module, model, seen, unseen) -> list[float]:
    """Errors of the trained network, of linear regression and of the mean spectrum."""
    maps = (module.linear_regression(seen, unseen), module.mean_spectrum(seen, unseen))
    return [rmse(s) for s in (module.reconstruct(model, unseen), *maps)]


def snapshot(image: str, seed: int = 0, **options):
    return cassi(image, bands=8, seed=seed, **options)


@pytest.mark.slow
def test_sinr_beats_linear_regression_on_an_unseen_scene() -> None:
    seen = [snapshot(name, size=64) for name in SCENES[:2]]
    unseen = snapshot(SCENES[2], size=64, seed=5)
    model = sinr.train(seen, steps=300, crop=32)
    errors = of_network_and_maps(sinr, model, seen, unseen)
    assert errors[0] < min(errors[1:])


def test_sinr_answers_at_any_wavelength() -> None:
    """On a band the field is the family's cube in its unit; between bands it is smooth."""
    problem = snapshot("coffee", size=24)
    model = sinr.train([problem], steps=5, crop=24)
    solution = sinr.reconstruct(model, problem)
    initial, level = sinr.first_guess(problem)
    cube = level * model.solve(of_pixels(initial, 3)).sample()
    torch.testing.assert_close(solution.sample(problem.grid), cube, rtol=1e-3, atol=1e-5)
    bands = problem.grid.axes(torch.float32)[-1]
    points = problem.grid.points()[:, :, 3].clone()
    steps = torch.linspace(0, float(bands[4] - bands[3]), 9)
    with torch.no_grad():
        curve = torch.stack(
            [solution.field(points + torch.tensor([0.0, 0.0, float(s)])) for s in steps]
        )
    assert float(curve.diff(dim=0).abs().max()) < 0.5 * float(curve.max())


def test_first_guess_explains_the_snapshot() -> None:
    problem = snapshot("coffee", size=24)
    initial, level = sinr.first_guess(problem)
    term = problem.terms[0]
    again = term.operator.snapshot(level * initial)  # type: ignore[attr-defined]
    lit = term.operator.snapshot(torch.ones(problem.grid.shape)) > 0.2  # type: ignore[attr-defined]
    torch.testing.assert_close(again[lit], term.y.reshape(again.shape)[lit], rtol=1e-2, atol=1e-2)


@pytest.mark.slow
def test_hypernetwork_beats_linear_regression_on_an_unseen_scene() -> None:
    seen = [spectral_sr(name, size=64) for name in SCENES[:2]]
    unseen = spectral_sr(SCENES[2], size=64, seed=5)
    model = hyper_spectra.train(seen, steps=1000, crop=32)
    errors = of_network_and_maps(hyper_spectra, model, seen, unseen)
    assert errors[0] < errors[1] < errors[2]


def test_hypernetwork_makes_other_weights_of_another_image() -> None:
    problem = spectral_sr("coffee", size=16, bands=5)
    model = hyper_spectra.train([problem], steps=2, crop=16)
    (term,) = problem.terms
    darker = replace(problem, terms=[replace(term, y=0.2 * term.y)])
    fields = [model.start(hyper_spectra.image_of(p)) for p in (problem, darker)]
    weights = [field.get_parameter("network.head.weight") for field in fields]
    assert not torch.allclose(*weights)
    cube = hyper_spectra.reconstruct(model, darker).sample()
    assert tuple(cube.shape) == (16, 16, 5, 1)
    assert float(cube.min()) >= 0


def test_a_family_taught_by_crops_solves_whole_images_of_another_size() -> None:
    """What the encoder sees does not depend on the number of pixels."""
    small, large = (hyper_spectra.image_of(flat_image(n)) for n in (8, 16))
    model = hyper_spectra.train([flat_image(8)], steps=2, crop=8)
    first, second = (model.images(model.tasks([p]))[0].mean() for p in (small, large))
    torch.testing.assert_close(first, second, rtol=1e-4, atol=0)


def flat_image(size: int):
    """One grey in every pixel."""
    problem = spectral_sr("coffee", size=size, bands=5)
    (term,) = problem.terms
    return replace(problem, terms=[replace(term, y=torch.full_like(term.y, 0.5))])


def test_training_is_reproducible() -> None:
    problem = snapshot("coffee", size=24)
    first, second = (sinr.train([problem], steps=3, crop=16, seed=2) for _ in range(2))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_problem_without_a_reference_teaches_nothing() -> None:
    problem = replace(snapshot("coffee", size=24), reference=None)
    with pytest.raises(ValueError, match="no cube to learn from"):
        sinr.train([problem])


def test_sinr_refuses_what_is_no_snapshot() -> None:
    with pytest.raises(TypeError, match="one CASSI snapshot"):
        sinr.first_guess(spectral_sr("coffee", size=16))


def test_a_hypernetwork_refuses_what_is_no_colour_image() -> None:
    with pytest.raises(ValueError, match="no colour image"):
        hyper_spectra.colours_of(cassi("coffee", size=24, bands=28))


def test_sinr_refuses_problems_of_two_cameras() -> None:
    with pytest.raises(ValueError, match=r"one camera for all problems; these have \[8, 9\]"):
        sinr.train([snapshot("coffee", size=24), cassi("coffee", size=24, bands=9)])
