"""A decoder sees linear features, or those of its own pixel and the place within it."""

import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.families.pixels import FeaturesAt
from inverse_inr.priors.encodings import Encoding


class Same(Encoding):
    """What it is given."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_offsets_are_the_place_within_the_pixel_whose_features_are_seen() -> None:
    pixels = Grid(Box((-1.0, -1.0), (1.0, 1.0)), (4, 2))
    encoding = FeaturesAt(Same(5), pixels, 2, 1, offsets=True)
    values = torch.arange(8.0).reshape(4, 2)
    encoding.features.data = torch.stack([values, 0 * values + 7])
    x = torch.tensor([[-0.75, -0.5], [-0.5, 0.75], [1.0, 1.0]])
    x.requires_grad_()
    seen = encoding(x)
    expected = torch.tensor([[0.0, 0.0, 0.0], [3.0, -1.0, 0.5], [7.0, 1.0, 1.0]])
    torch.testing.assert_close(seen[:, :2], x)
    torch.testing.assert_close(seen[:, 2:5], expected)
    torch.testing.assert_close(seen[:, 5], torch.full((3,), 7.0))
    (slope,) = torch.autograd.grad(seen[:, 3].sum(), x)
    torch.testing.assert_close(slope[:, 0], torch.full((3,), 4.0))
