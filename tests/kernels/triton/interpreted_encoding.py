"""The encoding's kernels against `GridEncoding` in eager torch: values and both derivatives."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from inverse_inr import Box
from inverse_inr.kernels.triton.encoding import encode
from inverse_inr.priors.lattices.encoding import GridEncoding


def encoding(d: int, kind: str, features: int, table: int = 2**6) -> GridEncoding:
    box = Box((-1.0,) * d, (1.0,) * (d - 1) + (0.7,))
    made = GridEncoding(box, [3.0, 7.5, 20.0], features, interpolation=kind, table=table)
    with torch.no_grad():
        made.table.copy_(torch.randn(made.table.shape, generator=torch.Generator().manual_seed(d)))
    return made


def derivatives(made: GridEncoding, x: Tensor, run: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Features, first derivatives, and derivatives of a function of these."""
    generator = torch.Generator().manual_seed(5)
    up = torch.randn(len(x), made.size, generator=generator)
    along = torch.randn(x.shape, generator=generator)
    values = run(x)
    inputs = (x, made.table)
    first = torch.autograd.grad((up * values.tanh()).sum(), inputs, create_graph=True)
    penalty = (first[0] * along).sum() + first[1].square().sum()
    second = torch.autograd.grad(penalty, inputs)
    return [values.detach(), *(g.detach() for g in first), *second]


@pytest.mark.parametrize(
    ("d", "kind", "features", "n"),
    [
        (1, "linear", 1, 1),
        (2, "linear", 2, 0),
        (2, "linear", 2, 131),
        (3, "linear", 2, 40),
        (2, "smoothstep", 3, 17),
        (1, "cubic", 2, 33),
    ],
)
def test_values_and_both_derivatives_are_those_of_the_definition(d, kind, features, n):
    made = encoding(d, kind, features)
    # beyond the box too, where points are clamped
    x = 2.4 * torch.rand(n, d, generator=torch.Generator().manual_seed(n)) - 1.2
    x.requires_grad_()
    expected = derivatives(made, x, made)
    found = derivatives(made, x, lambda x: encode(x, made.table, made.on_device(), made.features))
    for a, b in zip(expected, found, strict=True):
        size = 1.0
        if a.numel():
            size = float(a.abs().max()) or 1.0
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-5 * size)


def test_levels_that_are_not_in_are_left_out():
    box = Box((-1.0, -1.0), (1.0, 1.0))
    made = GridEncoding(box, [3.0, 6.0, 12.0, 24.0], 2, table=2**6, coarse_to_fine=1.0)
    torch.nn.init.normal_(made.table)
    made.anneal(0.6)
    assert 1 < made.levels_in < 4
    x = torch.rand(50, 2)
    found = encode(x, made.table, made.on_device(), made.features)
    torch.testing.assert_close(found, made(x)[:, : found.shape[1]], rtol=1e-5, atol=1e-5)
    assert not made(x)[:, found.shape[1] :].any()


def test_the_scatter_is_the_transpose_of_the_gather():
    made = encoding(3, "linear", 2)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(64, 3, generator=generator)
    table = torch.randn(made.table.shape, generator=generator).requires_grad_()
    y = encode(x, table, made.on_device(), made.features)
    r = torch.randn(y.shape, generator=generator)
    back = torch.autograd.grad(y, table, r)[0]
    there = (y.detach().double() * r).sum()
    assert float((table.detach().double() * back).sum()) == pytest.approx(float(there), rel=1e-5)


def test_derivatives_of_a_laplacian_are_those_of_the_definition():
    made = encoding(2, "cubic", 1)
    x = (2 * torch.rand(5, 2, generator=torch.Generator().manual_seed(3)) - 1).requires_grad_()

    def derived(values: Tensor) -> list[Tensor]:
        slope = torch.autograd.grad(values.square().sum(), x, create_graph=True)[0]
        curved = torch.autograd.grad(slope[:, 0].sum(), x, create_graph=True)[0]
        return list(torch.autograd.grad(curved.square().sum(), (x, made.table)))

    expected = derived(made(x))
    found = derived(encode(x, made.table, made.on_device(), made.features))
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-5 * float(a.abs().max()))
