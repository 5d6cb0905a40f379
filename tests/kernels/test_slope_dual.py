"""The dual of total variation, against the same steps with the axes of the flow last."""

import pytest
import torch
from torch import Tensor

from inverse_inr.derivatives import gradient_adjoint, grid_gradient, lengths
from inverse_inr.kernels.slope_dual import SlopeDual

SPACING = (0.5, 2.0, 1.0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("shape", [(5, 4, 3, 2), (1, 6, 2, 1)])
def test_steps_are_those_of_the_formula(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, *shape, dtype=dtype, generator=generator)
    dual = SlopeDual(images[0], SPACING, radius=0.7)
    flow = torch.zeros_like(grid_gradient(images[0], SPACING))
    for image in images:
        flow = flow + 0.3 * grid_gradient(image, SPACING)
        flow = flow * (0.7 / lengths(flow).clamp(min=0.7))
        torch.testing.assert_close(dual.step(image, 0.3), gradient_adjoint(flow, SPACING))


def test_the_largest_product_is_total_variation() -> None:
    """<∇'q, x> comes to r Σ |∇x| once the flow has followed the slopes for long."""
    image = torch.randn(6, 5, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    dual = SlopeDual(image, SPACING[:2], radius=0.2)
    dual.step(image, 1e3)
    pulled = dual.step(image, 1e3)
    expected: Tensor = 0.2 * lengths(grid_gradient(image, SPACING[:2])).sum()
    torch.testing.assert_close((pulled * image).sum(), expected)


def test_a_ball_of_no_size_holds_nothing() -> None:
    image = torch.randn(4, 4, 1, generator=torch.Generator().manual_seed(2))
    assert SlopeDual(image, (1.0, 1.0), radius=0.0).step(image, 1.0).abs().max() < 1e-25


def test_a_flow_is_stretched_with_its_balls() -> None:
    image = torch.randn(5, 4, 1, generator=torch.Generator().manual_seed(3))
    dual = SlopeDual(image, (1.0, 1.0), radius=0.5)
    before = dual.step(image, 0.1)
    assert dual.resize(0.1) == pytest.approx(0.2)
    torch.testing.assert_close(dual.step(image, 0.0), 0.2 * before)
