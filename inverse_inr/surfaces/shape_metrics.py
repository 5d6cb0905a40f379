"""How alike two shapes are: normal consistency of surfaces, intersection over union of insides."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.domain import Box
from inverse_inr.evaluation import Field, evaluate
from inverse_inr.ranges import Count, FiniteTensor, Seed, checked
from inverse_inr.surfaces.clouds import check_cloud
from inverse_inr.surfaces.meshes import Mesh


@checked
def normal_consistency(
    mesh: Mesh, points: FiniteTensor, normals: FiniteTensor, count: Count = 20_000
) -> float:
    """Compare the directions of a mesh's faces with true normals: the mean of |cos|, both ways.

    Args:
        mesh: The mesh.
        points: (n, 3) on the true surface.
        normals: (n, 3) unit vectors there, of either sign.
        count: Number of points drawn on the mesh.

    Returns:
        1 where all directions agree; 0.5 on average for random ones.

    Raises:
        ValueError: Points and normals are no (n, 3), or the mesh has no area.

    Source:
        Mescheder et al. 2019, Occupancy Networks, section 3.
    """
    check_cloud("normal_consistency", points, normals)
    from scipy.spatial import KDTree

    own, face = mesh.sample_with_faces(count)
    directions = torch.nn.functional.normalize(mesh._crosses(), dim=1)[face]
    true = normals.double().cpu()
    places = points.double().cpu().numpy()
    _, there = KDTree(places).query(own.numpy())
    _, back = KDTree(own.numpy()).query(places)
    forth = (directions * true[torch.from_numpy(there)]).sum(1).abs().mean()
    return 0.5 * float(forth + (true * directions[torch.from_numpy(back)]).sum(1).abs().mean())


@checked
def intersection_over_union(
    first: Field, second: Field, box: Box, count: Count = 200_000, seed: Seed = 0
) -> float:
    """Compare two insides at random places.

    Args:
        first: A signed distance, negative inside.
        second: Another one.
        box: Where places are drawn.
        count: The number of places; the error is about 1 / √(those inside).
        seed: Decides which places.

    Returns:
        The places inside both, over those inside one at least.

    Raises:
        ValueError: Nothing is inside either of them.
    """
    points = box.random_points(count, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        a, b = (_inside(field, points) for field in (first, second))
    either = int((a | b).sum())
    if not either:
        raise ValueError("intersection_over_union: nothing is inside either shape in this box.")
    return int((a & b).sum()) / either


def _inside(field: Field, points: Tensor) -> Tensor:
    return (evaluate(field, points)[..., 0] < 0).cpu()
