"""The proximal map of total variation against the plain loop over gradient and adjoint."""

import pytest
import torch
from torch import Tensor

from inverse_inr.denoisers import proximal_tv
from inverse_inr.derivatives import gradient_adjoint, grid_gradient, lengths


def plain(x: Tensor, weight: float, iterations: int) -> Tensor:
    """Fast gradient projection, with flows as large as the image and two adjoints an iteration."""
    spacing = [1.0] * (x.ndim - 1)
    p = ahead = torch.zeros_like(grid_gradient(x, spacing))
    momentum = 1.0
    for _ in range(iterations):
        slope = grid_gradient(x - gradient_adjoint(ahead, spacing), spacing)
        moved = ahead + slope / (4 * len(spacing))
        new = moved * (weight / lengths(moved).clamp(min=max(weight, 1e-30)))
        following = 0.5 * (1 + (1 + 4 * momentum**2) ** 0.5)
        ahead = new + (momentum - 1) / following * (new - p)
        p, momentum = new, following
    return x - gradient_adjoint(p, spacing)


@pytest.mark.parametrize("shape", [(12, 9, 1), (1, 7, 2), (5, 6, 4, 1), (20, 1)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_the_proximal_map_is_the_plain_loop(shape: tuple[int, ...], dtype: torch.dtype):
    x = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))
    for weight in (0.0, 1e-25, 0.1, 30.0):
        torch.testing.assert_close(proximal_tv(x, weight, iterations=40), plain(x, weight, 40))


def test_its_gradient_is_that_of_the_plain_loop():
    x = torch.rand(8, 7, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    towards = torch.linspace(0, 1, x.numel()).double().reshape(x.shape)
    found, known = (
        torch.autograd.grad((z * towards).sum(), x)[0]
        for z in (proximal_tv(x, 0.1, iterations=20), plain(x, 0.1, 20))
    )
    torch.testing.assert_close(found, known)
