"""Shared by the tests of images: a ramp, two halves, and an image file of them."""

import torch

from inverse_inr.domain import pixel_grid
from inverse_inr.io import write_image


def save(path, values):
    write_image(path, values, pixel_grid(tuple(values.shape[:2])))
    return str(path)


def ramp(height=24, width=20):
    return torch.linspace(0.1, 0.9, height)[:, None, None].expand(height, width, 1).contiguous()


def halves(height=24, width=20):
    """Black above, white below."""
    return (torch.arange(height) >= height // 2).float()[:, None, None].repeat(1, width, 1)


def textured(size=32):
    """Edges and stripes between 0 and 1, (size, size, 1) in float64."""
    x, y = torch.meshgrid(torch.arange(size).double(), torch.arange(size).double(), indexing="ij")
    stripes = 0.25 + 0.2 * torch.sin(x / 2)
    return torch.where(y < size // 2, stripes, 0.8 * (x > size // 3).double())[..., None]
