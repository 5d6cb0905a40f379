"""The fused ray sums against the eager `hash` field at the rays' points: values and gradients."""

import pytest
import torch

from inverse_inr import Box, priors
from inverse_inr.kernels.triton import rays
from inverse_inr.priors.lattices import ray_sums as module
from inverse_inr.priors.lattices.ray_sums import (
    defined_sums,
    fused_parts,
    fused_sums,
    ray_sums,
)
from inverse_inr.problems.ct import ct
from inverse_inr.solver import Solver


@pytest.fixture(autouse=True)
def on_a_gpu(monkeypatch):
    """Let the function believe that it is on a CUDA device; the kernels are interpreted."""
    monkeypatch.setattr(module, "usable", lambda tensor: tensor.element_size() == 4)


def field(d, **options):
    box = Box((-1.0,) * (d - 1) + (-0.5,), (2.0,) * d, ("mm",) * d)
    options = {"levels": 3, "coarsest": 4, "finest": 15, "log2_table": 6, **options}
    made = priors.create("hash", box, **options)
    generator = torch.Generator().manual_seed(d)
    with torch.no_grad():
        for parameter in made.parameters():  # tables of the size of features, biases that are not 0
            size = 0.4
            if parameter.ndim == 2 and parameter.shape[1] <= 4:
                size = 1.0
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    return made


def lines(made, n, samples):
    """Rays that begin and end somewhere in the box, or a little beyond it."""
    generator = torch.Generator().manual_seed(n)
    lower, upper = (torch.tensor(ends) for ends in (made.box.lower, made.box.upper))
    first, last = (
        lower + (1.1 * torch.rand(n, made.box.ndim, generator=generator) - 0.05) * (upper - lower)
        for _ in range(2)
    )
    return first, (last - first) / samples


def derivatives(made, values):
    up = torch.randn(values.shape, generator=torch.Generator().manual_seed(9))
    found = torch.autograd.grad(values, list(made.parameters()), up, allow_unused=True)
    return [values.detach(), *(g for g in found if g is not None)]


CASES = {
    "2-D": (2, 40, 9, {}),
    "3-D": (3, 20, 7, {}),
    "1-D": (1, 5, 6, {"width": 16}),
    "one ray of one sample": (2, 1, 1, {}),
    "no rays": (2, 0, 5, {}),
    "odd sizes and several channels": (2, 33, 5, {"width": 19, "channels": 3, "features": 3}),
    "tiny": (2, 2, 3, {"width": 1, "levels": 1, "features": 1}),
    "as large as it may be": (2, 7, 4, {"levels": 16, "width": 64}),
    "a second layer in parts, the last of them short": (3, 5, 3, {"width": 41}),
    "smoothstep": (2, 10, 4, {"interpolation": "smoothstep"}),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_the_field_at_the_points(name):
    d, n, samples, options = CASES[name]
    made = field(d, **options)
    assert fused_parts(made) is not None
    first, step = lines(made, n, samples)
    expected = derivatives(made, defined_sums(made, first, step, samples))
    found = derivatives(made, ray_sums(made, first, step, samples))
    assert len(found) == len(expected) == 1 + len(list(made.parameters()))
    for a, b in zip(expected, found, strict=True):
        size = 1.0
        if a.numel():
            size = float(a.abs().max()) or 1.0
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-5 * size)
    if n:
        assert all(bool(each.any()) for each in found)


def test_programs_that_share_rays_and_samples_add_up(monkeypatch):
    made = field(2)
    first, step = lines(made, 35, 16)
    expected = derivatives(made, defined_sums(made, first, step, 16))
    for programs in (2, 8):  # two share three blocks of rays; two parts of each block's samples
        monkeypatch.setattr(rays, "PROGRAMS", programs)
        found = derivatives(made, ray_sums(made, first, step, 16))
        for a, b in zip(expected, found, strict=True):
            torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-5 * float(a.abs().max()))


def test_a_solve_of_rays_takes_the_kernels_and_ends_where_the_points_lead(monkeypatch):
    problem = ct("shepp_logan", size=8, views=6)
    ends = []
    for fused in (False, True):
        asked = []
        monkeypatch.setattr(module, "usable", lambda tensor, fused=fused: fused)
        monkeypatch.setattr(module, "fused_sums", counted(asked))
        solver = Solver(problem, field_on(problem), steps=3, batch=12)
        for _ in range(3):
            solver.step()
        assert len(asked) >= 3 * fused
        assert bool(asked) == fused
        ends.append([p.detach().clone() for p in solver.prior.parameters()])
    for a, b in zip(*ends, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-5 * float(a.abs().max()))


def counted(asked):
    def sums(*arguments):
        asked.append(len(arguments))
        return fused_sums(*arguments)

    return sums


def field_on(problem):
    options = {"levels": 3, "coarsest": 4, "finest": 12, "log2_table": 6, "width": 16}
    torch.manual_seed(0)
    return priors.create("hash", problem.box, **options)


def test_a_subclass_and_hooks_of_torch_take_the_field_s_own_call():
    made = field(2)
    assert fused_parts(made) is not None
    made.__class__ = type("Shifted", (priors.Prior,), {"forward": lambda self, x: x[..., :1]})
    assert fused_parts(made) is None
    for part in ("encoding", "network"):
        made = field(2)
        handle = getattr(made, part).register_forward_hook(lambda *_: None)
        assert not made.sums_lines
        handle.remove()
        assert made.sums_lines


def test_levels_that_are_not_in_are_left_out():
    made = field(2, coarse_to_fine=1.0)
    made.encoding.anneal(0.4)
    assert made.encoding.levels_in == 2
    first, step = lines(made, 12, 5)
    expected = derivatives(made, defined_sums(made, first, step, 5))
    found = derivatives(made, ray_sums(made, first, step, 5))
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-5 * float(a.abs().max()))


def test_second_derivatives_are_those_of_the_definition():
    made = field(2, width=16)
    first, step = lines(made, 6, 3)
    parameters = list(made.parameters())

    def derived(values):
        slopes = torch.autograd.grad(values.square().sum(), parameters, create_graph=True)
        penalty = torch.stack([slope.square().sum() for slope in slopes]).sum()
        return [penalty.detach(), *torch.autograd.grad(penalty, parameters)]

    expected = derived(defined_sums(made, first, step, 3))
    found = derived(ray_sums(made, first, step, 3))
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-5 * float(a.abs().max()))


def test_fields_that_the_kernels_do_not_know_take_the_definition():
    for options in (
        {"head": "softplus"},
        {"depth": 1},
        {"depth": 3},
        {"width": 65},
        {"levels": 17},
    ):
        assert fused_parts(field(2, **options)) is None
    assert fused_parts(field(2).double()) is None
    assert fused_parts(priors.create("siren", Box((0.0, 0.0), (1.0, 1.0)))) is None
