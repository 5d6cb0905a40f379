"""Deconvolution of a frame by classical methods, whose parameters held-out pixels choose."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from inverse_inr.problems.restoration import deblur, deconvolution
from inverse_inr.problems.restoration.deconvolution import centred_kernel


@pytest.mark.parametrize("name", ["Wiener", "Richardson-Lucy"])
def test_deconvolution_never_sees_the_pixels_that_are_held_out(name, monkeypatch):
    monkeypatch.setattr(deconvolution, "BALANCES", (1.0,))
    monkeypatch.setattr(deconvolution, "ITERATIONS", (5,))
    problem = deblur("camera", kernel="gaussian", size=1.5, crop=48, held_out=0.1)
    method = problem.suggested.baselines[name]
    solution = method(problem)
    rows = solution.watched[0]
    assert torch.equal(rows, problem.suggested.stopping.split(problem.terms, 0)[1][0])
    y = problem.terms[0].y.clone()
    y[rows] = 0.5
    changed = replace(problem, terms=[replace(problem.terms[0], y=y)])
    assert torch.equal(method(changed).image(), solution.image())


def test_held_out_pixels_choose_nearly_as_many_iterations_as_the_truth():
    problem = deblur("camera", kernel="gaussian", size=1.5, crop=64, noise_level=0.01, held_out=0.1)
    method = problem.suggested.baselines["Richardson-Lucy"]
    assert method(problem).psnr() > method(problem, "oracle").psnr() - 0.3


def test_centred_kernel_keeps_taps_and_centre():
    out = centred_kernel(torch.tensor([[1.0, 2.0]]), (0, 0))
    assert np.array_equal(out, [[0, 1, 2]])
