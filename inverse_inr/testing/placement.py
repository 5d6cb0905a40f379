"""The part of the contract that is about devices: an operator or a prior on a make-believe GPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr.compose import as_linear_map
from inverse_inr.devices import moved
from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import sample
from inverse_inr.hooks import HasGridMap
from inverse_inr.protocol import Operator, Predicts, evaluating, predict
from inverse_inr.testing.fake_cuda import CUDA, FakeCuda


def operator_on_device(
    operator: Operator, field: nn.Module, rows: Tensor, *, channels: int = 1, linear: bool = True
) -> None:
    """Check that a copy of an operator on a device predicts there what it predicts on the CPU.

    Its rows may be on the CPU or on the device; in training mode gradients reach the field; and if
    it is linear, its map of sampled images and the adjoint of that are on the device too.

    Args:
        operator: The operator, in eval mode on the CPU.
        field: A field on the CPU whose gradients are asked for.
        rows: (b,) indices of the measurements.
        channels: Number of channels of the field.
        linear: Whether the operator has a map of sampled images.

    Raises:
        AssertionError: A result is on the wrong device or has other values.
        DeviceError: Two devices meet in one operation.
    """
    name = type(operator).__name__
    expected = predict(operator, field, rows).detach()
    with FakeCuda():
        there = moved(operator, CUDA)
        seen = moved(field, CUDA)
        for chosen in (rows, rows.to(CUDA)):
            found = predict(there, seen, chosen)
            assert found.device == CUDA, f"{name}: predictions are on {found.device}"
            assert _close(found, expected), f"{name}: predictions differ on another device"
        if isinstance(there, nn.Module):
            there.train()
            predict(there, seen, rows).abs().square().sum().backward()
            there.eval()
        if not linear or isinstance(operator, Predicts):
            return
        grid = _grid_of(there, rows)
        dtype = expected.dtype.to_real()
        image = as_linear_map(there, grid, channels=channels, dtype=dtype, device=CUDA)
        x = torch.ones_like(image.zeros())
        back = image.adjoint(image(x))
        assert back.device == CUDA, f"{name}: the adjoint is on {back.device}"


def prior_on_device(prior: nn.Module, points: Tensor, box: Box) -> None:
    """Check that a copy of a prior on a device has the same values and gradients there.

    Args:
        prior: The prior, on the CPU.
        points: (n, d) points of the box.
        box: The box.

    Raises:
        AssertionError: A result is on the wrong device or has other values.
        DeviceError: Two devices meet in one operation.
    """
    name = type(prior).__name__
    expected = prior(points).detach()
    with FakeCuda():
        there = moved(prior, CUDA)
        values = there(points.to(CUDA))
        assert values.device == CUDA, f"{name}: values are on {values.device}"
        assert _close(values, expected), f"{name}: values differ on another device"
        values.abs().square().sum().backward()
        image = sample(there, Grid(box, (4, 3, 2)[: box.ndim]), average=2)
        assert image.device == CUDA, f"{name}: a lattice is on {image.device}"


def _grid_of(operator: Operator, rows: Tensor) -> Grid:
    """A small lattice of what an operator sees, or the one that it lives on."""
    with evaluating(operator), torch.no_grad():
        points, _ = operator(rows.to(CUDA))
    if isinstance(points, Grid):
        return points
    for attribute in ("grid", "bands", "cube"):
        own = getattr(operator, attribute, None)
        if isinstance(own, Grid) and isinstance(operator, HasGridMap):
            return own
    box = getattr(operator, "box", None)
    if not isinstance(box, Box):
        low, high = (v.tolist() for v in points.reshape(-1, points.shape[-1]).aminmax(dim=0))
        box = Box(tuple(v - 1e-3 for v in low), tuple(v + 1e-3 for v in high))
    return Grid(box, (6, 5, 4, 3)[: box.ndim])


def _close(found: Tensor, expected: Tensor) -> bool:
    """Whether values agree up to another order of sums."""
    size = float(expected.abs().max())
    tolerance = 1e3 * torch.finfo(expected.dtype).eps
    return torch.allclose(found.detach().cpu(), expected, rtol=0, atol=tolerance * max(size, 1e-30))
