"""Sums of a field along rays: closed forms, and what is refused. The kernels have their own file.

They are held to `defined_sums` in tests/kernels/triton/interpreted_rays.py.
"""

import pytest
import torch

from inverse_inr import Box, priors
from inverse_inr.priors.lattices.ray_sums import fused_parts, ray_sums

BOX = Box((0.0, -1.0), (3.0, 1.0), ("mm", "mm"))


def test_a_constant_field_gives_the_lengths_of_the_rays() -> None:
    field = priors.create("hash", BOX, channels=2)
    with torch.no_grad():
        field.network.head.weight.zero_()
        field.network.head.bias.copy_(torch.tensor([0.5, -2.0]))
    first = torch.tensor([[0.1, 0.0], [0.0, -1.0]])
    step = torch.tensor([[0.02, 0.0], [0.03, 0.04]])
    found = ray_sums(field, first, step, 40)
    torch.testing.assert_close(found, torch.tensor([[0.4, -1.6], [1.0, -4.0]]))


def test_a_linear_field_is_integrated_as_by_the_midpoint_rule() -> None:
    field = priors.create("grid", BOX, cells=3)
    nodes = torch.arange(field.encoding.table.numel(), dtype=torch.float32)
    with torch.no_grad():
        field.encoding.table.copy_(nodes.reshape(field.encoding.table.shape))
    first = torch.tensor([[1.0, -0.3]])
    step = torch.tensor([[0.04, 0.02]])
    found = ray_sums(field, first, step, 25)
    middle = field(first + 12 * step)
    torch.testing.assert_close(found, 25 * middle * step.norm(), rtol=1e-5, atol=1e-5)


def test_the_definition_is_taken_on_a_cpu() -> None:
    assert fused_parts(priors.create("hash", BOX)) is None


@pytest.mark.parametrize("shape", [(4, 3), (3, 2), (2,)])
def test_points_and_steps_that_disagree_are_refused(shape: tuple[int, ...]) -> None:
    field = priors.create("hash", BOX)
    with pytest.raises(ValueError, match="both must be"):
        ray_sums(field, torch.zeros(4, 2), torch.zeros(shape), 5)
