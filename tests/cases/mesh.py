"""Shared by the tests of meshes: a tetrahedron, and a sphere off the centre of its box."""

import torch

from inverse_inr import Box
from inverse_inr.surfaces import Mesh

BOX = Box((-0.12, -0.1, -0.1), (0.1, 0.1, 0.14), ("m",) * 3)
CENTER = torch.tensor([-0.01, 0.005, 0.02], dtype=torch.float64)
RADIUS = 0.06
TETRAHEDRON = Mesh(
    torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
)


def sphere(points, center=CENTER, radius=RADIUS):
    return torch.linalg.vector_norm(points - center.to(points), dim=-1, keepdim=True) - radius
