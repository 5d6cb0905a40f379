"""Slice acquisition as an operator: contract, matrix, composition, refusals, and a GPU."""

from typing import Any

import pytest
import torch
from cases.slice import BOX, F64, blob, random, slices, two_stacks
from torch import Tensor

from inverse_inr import Box, Detector, Grid, SampledField, Warp, as_linear_map, predict
from inverse_inr.operators import SliceAcquisition, Slices
from inverse_inr.operators.optics import psf
from inverse_inr.operators.slices.profile import Sinc
from inverse_inr.testing import OperatorTests


class TestSliceAcquisition(OperatorTests):
    @pytest.fixture(autouse=True, params=["gaussian", "sinc", "rect"])
    def profile(self, request: Any) -> None:
        self.psf = request.param

    def make(self) -> SliceAcquisition:
        operator = SliceAcquisition(
            BOX, two_stacks(), self.psf, nodes=8, motion=True, gain=True, bias=2
        )
        with torch.no_grad():
            for k, p in enumerate(operator.parameters()):
                p.copy_(0.4 * random(*p.shape, seed=k))
        return operator

    def test_complex_volumes_are_measured(self) -> None:
        operator = self.operator()
        seen = predict(operator, lambda x: torch.exp(1j * x[..., :1].to(torch.complex128)))
        assert seen.dtype == torch.complex128

    def test_gradcheck(self) -> None:
        """Motion, gain and bias, all entries."""
        operator, rows = self.make().double().eval(), torch.tensor([0, 25, 70, 95])
        names = [n for n, _ in operator.named_parameters()]
        assert names == ["motion", "log_gain", "log_bias"]

        def forward(*values: Tensor) -> Tensor:
            def field(points: Tensor) -> Tensor:
                return torch.sin(0.2 * points).sum(-1, keepdim=True)

            points, measure = torch.func.functional_call(
                operator, dict(zip(names, values, strict=True)), (rows,)
            )
            return measure(field(points))

        torch.autograd.gradcheck(forward, tuple(operator.parameters()), fast_mode=True)


# --- the sampled volume, composition ------------------------------------------


@pytest.mark.parametrize("size", [(24, 20, 18), (9, 7, 10)])
def test_the_matrix_of_a_sampled_volume(size: tuple[int, ...]) -> None:
    grid = Grid(BOX, size)
    operator = SliceAcquisition(BOX, two_stacks(), "sinc", nodes=8, gain=True)
    with torch.no_grad():
        operator.log_gain.copy_(random(5))
    image = random(*size, 1).float()
    pointwise = predict(operator, SampledField(image.double(), grid))
    on_grid = operator.on(grid)
    torch.testing.assert_close(
        predict(on_grid, SampledField(image, grid)), pointwise.float(), atol=1e-5, rtol=1e-4
    )
    two = random(*size, 2, seed=1).float()
    assert predict(on_grid, SampledField(two, grid)).shape == (len(operator), 2)
    mapped = as_linear_map(operator, grid, rows=torch.arange(7))
    torch.testing.assert_close(mapped(image), pointwise[:7].float(), atol=1e-5, rtol=1e-4)


def test_composition_with_a_warp_and_a_detector() -> None:
    where = slices()
    plain = SliceAcquisition(BOX, where)
    field = blob(9 * torch.eye(3, dtype=F64), torch.zeros(3, dtype=F64))
    shift = torch.tensor([1.0, 0.0, -2.0], dtype=F64)
    bent = Detector(torch.log1p) @ plain @ Warp(lambda x: x + shift)
    expected = torch.log1p(predict(plain, lambda x: field(x + shift)))
    torch.testing.assert_close(predict(bent, field), expected)


# --- refusals -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SliceAcquisition(Box((0, 0), (1, 1)), slices()), "slices are of a volume"),
        (lambda: SliceAcquisition(BOX, slices(), nodes=9), "nodes=9 must be even and at least 8"),
        (lambda: SliceAcquisition(BOX, slices(), draws=4), "draws=4 must be even"),
        (lambda: SliceAcquisition(BOX, slices(), nodes=(2, 2, 5)), "separable profile of 3 parts"),
        (
            lambda: SliceAcquisition(BOX, slices(), "triangle"),
            "unknown profile 'triangle'; known: gaussian",
        ),
        (
            lambda: SliceAcquisition(BOX, slices(), psf.Gaussian(1.0)),
            "has 2 dimensions; a slice's has 3",
        ),
        (
            lambda: SliceAcquisition(Box((90, 90, 90), (99, 99, 99)), slices()),
            "no pixel lies in the box",
        ),
        (lambda: SliceAcquisition(BOX, slices(), bias=2), "needs two stacks"),
        (lambda: Slices.of_stack(torch.eye(4)[None] * 2, (2, 2), (1, 1), 3), "A scaled affine"),
        (
            lambda: Slices.of_stack(torch.eye(4)[None], (2, 2), (1, 1), 0),
            "of_stack: thickness=0 must be a number above 0",
        ),
        (
            lambda: Slices.of_stack(torch.eye(4)[None], (2, 2), (1, 1), 3).select(
                torch.zeros(4).bool()
            ),
            "at least one",
        ),
        (lambda: Sinc(-1.0), "width=-1.0 must be positive"),
    ],
    ids=range(12),
)
def test_slices_that_cannot_be_measured_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.gpu
def test_on_cuda() -> None:
    """The same numbers where the operator, its draws and its matrix live on a GPU."""
    where, field = two_stacks(), blob(9 * torch.eye(3, dtype=F64), torch.zeros(3, dtype=F64))
    operator = SliceAcquisition(BOX, where, nodes=8, draws=8, motion=True, gain=True, bias=1)
    expected = predict(operator, field)
    moved = SliceAcquisition(BOX, where, nodes=8, draws=8, motion=True, gain=True, bias=1).cuda()

    def there(x: Tensor) -> Tensor:
        assert x.is_cuda
        return field(x.cpu()).cuda()

    torch.testing.assert_close(predict(moved, there).cpu(), expected)
    assert predict(moved.train(), there).is_cuda
    assert moved.eval().on(Grid(BOX, (8, 7, 6))).map(torch.ones(8, 7, 6, device="cuda")).is_cuda
