"""What works on the CPU serves problems of other devices."""

import pytest
import torch

from inverse_inr import Solution
from inverse_inr.on_cpu import on_the_cpu
from inverse_inr.testing import FakeCuda
from inverse_inr.testing.fake_cuda import CUDA


def test_a_function_is_asked_on_the_cpu_and_answers_on_the_device(problem):
    """What it has closed over cannot be copied: here the constants 0.3 and 0.2."""
    slopes = torch.tensor([0.3, 0.2])

    def field(points):
        return (points * slopes).sum(-1, keepdim=True)

    def method(given):
        return Solution(field, given, "plane", watched=[torch.arange(5)])

    expected = method(problem)
    with FakeCuda():
        there = problem.to("cuda")
        for found in (on_the_cpu(method)(there), expected.to("cuda")):
            assert found.problem.device == CUDA
            assert found.image().device == CUDA
            torch.testing.assert_close(found.image().cpu(), expected.image())
            assert found.held_out() == pytest.approx(expected.held_out(), rel=1e-5)
            assert found.to("cuda") is found
            assert found.to("cpu").field is field
