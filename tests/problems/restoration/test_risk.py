"""The estimated risk of denoisers against its closed form."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cases.image import ramp, save

from inverse_inr import Problem, Solution, noise
from inverse_inr.problems.restoration import denoise
from inverse_inr.problems.restoration.classical import image_solution, measured_image
from inverse_inr.problems.restoration.risk import by_risk, noisier

SHARES = {"kept": 1.0, "half": 0.5, "most": 0.9}


def scaled(name: str):
    """The denoiser that multiplies an image by a number."""

    def method(problem: Problem) -> Solution:
        image = SHARES[name] * measured_image(problem)
        return image_solution(name, np.asarray(image), problem, 0.0)

    return method


@pytest.mark.parametrize("options", [{"noise_level": 0.1}, {"photons": 50.0}])
def test_risks_are_those_of_the_closed_form_at_the_noise_that_was_added(tmp_path, options):
    image = save(tmp_path / "a.tif", ramp(96, 96))
    problem = denoise(image, **options)
    term = problem.terms[0]
    truth = ramp(96, 96).reshape(-1)
    assert isinstance(term.fidelity, noise.Gaussian | noise.Sensor)
    variance = torch.full_like(truth, 0.01)
    if isinstance(term.fidelity, noise.Sensor):
        variance = term.fidelity.variance(truth)
    methods = {name: scaled(name) for name in ("kept", "half")}
    found = by_risk(problem, methods, lambda each, _: scaled("most")(each), added=0.4)
    for candidate in found:
        share = SHARES.get(candidate.solution.method, 0.0)
        louder = 1.16 * variance * (share > 0)
        expected = float(((1 - share) ** 2 * truth**2 + share**2 * louder).mean())
        assert candidate.risk is not None
        error = float(candidate.risk.std()) / len(candidate.risk) ** 0.5
        assert abs(float(candidate.risk.mean()) - expected) < 4 * error
        assert candidate.classical == (candidate.solution.method != "most")


def test_a_noisier_problem_knows_its_noise():
    problem = denoise("camera", crop=16, photons=30.0, readout=2.0)
    model = problem.terms[0].fidelity
    louder = noisier(problem, torch.zeros(256), 0.5).terms[0].fidelity
    assert isinstance(model, noise.Sensor)
    assert isinstance(louder, noise.Sensor)
    mean = torch.linspace(0.0, 1.0, 5)
    torch.testing.assert_close(louder.variance(mean), 1.25 * model.variance(mean))


def test_noise_of_another_kind_is_refused():
    problem = denoise("camera", crop=16, noise_level=0.1)
    other = replace(problem, terms=[replace(problem.terms[0], fidelity=noise.StudentT(0.1, 3.0))])
    with pytest.raises(TypeError, match="StudentT is no"):
        next(by_risk(other, {"kept": scaled("kept")}, lambda each, _: scaled("most")(each)))
