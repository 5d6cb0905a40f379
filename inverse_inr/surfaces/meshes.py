"""Triangle meshes of level sets: made by marching cubes, checked, compared with a shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.memory import require
from inverse_inr.ranges import Count, Finite, FiniteTensor, Seed, checked
from inverse_inr.surfaces.clouds import check_cloud


@checked
@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh.

    Args:
        vertices: (n, 3) in the box's unit, kept in float64.
        faces: (m, 3) indices of vertices, counter-clockwise as seen from outside, kept in int64.

    Raises:
        ValueError: The shapes are others, vertices are not finite, or faces name vertices that are
            not there.
    """

    vertices: Tensor
    faces: Tensor

    def __post_init__(self) -> None:
        vertices = self.vertices.detach().cpu().double()
        faces = self.faces.detach().cpu().long()
        if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
            shapes = f"{tuple(vertices.shape)} and {tuple(faces.shape)}"
            raise ValueError(f"Mesh: vertices and faces must be (n, 3) and (m, 3), got {shapes}.")
        if not torch.isfinite(vertices).all():
            raise ValueError("Mesh: vertices hold NaN or Inf.")
        if len(faces) and (int(faces.min()) < 0 or int(faces.max()) >= len(vertices)):
            raise ValueError(
                f"Mesh: faces name vertices {int(faces.min())} to {int(faces.max())}; "
                f"there are {len(vertices)}. Counted from 1?"
            )
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)

    def _edges(self) -> Tensor:
        """Directed edges, (3 m, 2)."""
        return torch.cat([self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]])

    @property
    def is_closed(self) -> bool:
        """Watertight: each edge is run through once in each direction, by exactly two triangles."""
        if not len(self.faces):
            return False
        edges = self._edges()
        there = edges[:, 0] * len(self.vertices) + edges[:, 1]
        back = edges[:, 1] * len(self.vertices) + edges[:, 0]
        there = there.sort().values
        back = back.sort().values
        return bool((there.diff() > 0).all()) and torch.equal(there, back)

    @property
    def euler_characteristic(self) -> int:
        """V - E + F of the vertices in use: 2 for each closed surface without handles."""
        edges = self._edges().sort(1).values.unique(dim=0)
        return len(self.faces.unique()) - len(edges) + len(self.faces)

    @property
    def components(self) -> int:
        """The number of connected parts."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        if not len(self.faces):
            return 0
        i, j = self._edges().int().unbind(1)  # of int64, scipy 1.11 finds no component at all
        n = len(self.vertices)
        graph = coo_array((torch.ones(len(i)).numpy(), (i.numpy(), j.numpy())), (n, n))
        _, labels = connected_components(graph)
        return len(set(labels[self.faces.unique().numpy()].tolist()))

    def _crosses(self) -> Tensor:
        """Each face's outward normal, twice as long as its area, (m, 3)."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        return torch.linalg.cross(b - a, c - a)

    @property
    def area(self) -> float:
        """The sum of the faces' areas, in the box's unit squared."""
        return 0.5 * float(torch.linalg.vector_norm(self._crosses(), dim=1).sum())

    @property
    def volume(self) -> float:
        """The volume inside a closed mesh, in the unit cubed; negative where faces turn inwards."""
        return float((self.vertices[self.faces[:, 0]] * self._crosses()).sum()) / 6

    @property
    def vertex_normals(self) -> Tensor:
        """Outward unit vectors, (n, 3): area-weighted means of the faces around each vertex."""
        total = torch.zeros_like(self.vertices)
        crosses = self._crosses()
        for k in range(3):
            total.index_add_(0, self.faces[:, k], crosses)
        return torch.nn.functional.normalize(total, dim=1)

    @checked
    def sample(self, count: Count, seed: Seed = 0) -> Tensor:
        """Draw points uniformly on the surface.

        Args:
            count: The number of points.
            seed: Decides which.

        Returns:
            (count, 3) in float64.

        Raises:
            ValueError: The mesh has no area.
            OutOfMemoryError: The points do not fit the memory at hand.
        """
        return self.sample_with_faces(count, seed)[0]

    @checked
    def sample_with_faces(self, count: Count, seed: Seed = 0) -> tuple[Tensor, Tensor]:
        """Draw points uniformly on the surface, and say on which face each lies.

        Args:
            count: The number of points.
            seed: Decides which.

        Returns:
            (count, 3) in float64, and (count,) numbers of faces.

        Raises:
            ValueError: The mesh has no area.
            OutOfMemoryError: The points do not fit the memory at hand.
        """
        require(f"Mesh.sample: count={count} points", 160.0 * count, "Draw fewer.")
        generator = torch.Generator().manual_seed(seed)
        areas = torch.linalg.vector_norm(self._crosses(), dim=1)
        if not len(areas) or float(areas.sum()) == 0:
            raise ValueError("Mesh.sample: the mesh has no area.")
        face = torch.multinomial(areas, count, replacement=True, generator=generator)
        u, v = torch.rand(2, count, dtype=torch.float64, generator=generator).unbind(0)
        root = u.sqrt()[:, None]  # the root makes points uniform in a triangle
        a, b, c = (self.vertices[self.faces[face, k]] for k in range(3))
        return (1 - root) * a + root * (1 - v[:, None]) * b + root * v[:, None] * c, face


@checked
def level_set(
    field: Field, grid: Grid, level: Finite = 0.0, *, inside: Literal["below", "above"] = "below"
) -> Mesh:
    """Mesh the surface on which channel 0 of a field crosses a level, by marching cubes.

    The mesh is open where the surface leaves the grid.

    Args:
        field: The field.
        grid: 3-D; its voxels are the cubes.
        level: In the field's unit.
        inside: "below" the level for a signed distance, "above" for a density; it decides which way
            faces turn.

    Raises:
        ValueError: All voxels lie on one side of the level, the grid is not 3-D or too small, or
            `inside` is another word.

    Source:
        Lewiner's marching cubes, from scikit-image.
    """
    if grid.ndim != 3 or min(grid.shape) < 2:
        raise ValueError(
            f"level_set: marching cubes needs a 3-D grid of 2 voxels an axis, not {grid.shape}."
        )
    from skimage.measure import marching_cubes

    with torch.no_grad():
        values = sample(field, grid)[..., 0].double().cpu()
    low, high = float(values.min()), float(values.max())
    if not low < level < high:
        raise ValueError(
            f"level_set: the field runs from {low:.4g} to {high:.4g} on the grid: "
            f"no surface at {level:g}."
        )
    turn = {"below": "descent", "above": "ascent"}[inside]  # scikit-image's words for its winding
    vertices, faces, *_ = marching_cubes(
        values.numpy(), level, spacing=grid.spacing, gradient_direction=turn
    )
    first = torch.tensor(
        [a + 0.5 * h for a, h in zip(grid.box.lower, grid.spacing, strict=True)]
    ).double()
    return Mesh(torch.from_numpy(vertices.copy()).double() + first, torch.from_numpy(faces.copy()))


class MeshErrors(NamedTuple):
    """Distances between a mesh and a true surface, in the box's unit."""

    chamfer: float
    """Mean of the two mean distances."""
    hausdorff: float
    """The largest distance, either way."""
    hausdorff95: float
    """The larger of the two 95th percentiles."""


@checked
def mesh_errors(
    mesh: Mesh, distance: Field, truth: FiniteTensor, count: Count = 20_000
) -> MeshErrors:
    """Compare a mesh with a shape.

    From the mesh to the shape, distances are |distance| at uniform points. Back, they are taken to
    the nearest of those points and of the vertices, which is too large by about their spacing,
    never too small.

    Args:
        mesh: The mesh.
        distance: The exact signed distance of the shape, (*s, 3) -> (*s, 1).
        truth: (n, 3) points on the shape's surface.
        count: The number of uniform points on the mesh.

    Raises:
        ValueError: `truth` is no finite (n, 3), or the mesh has no area.
    """
    check_cloud("mesh_errors: truth", truth)
    from scipy.spatial import KDTree

    points = mesh.sample(count)
    there = distance(points)[..., 0].abs()
    cloud = torch.cat([points, mesh.vertices[mesh.faces.unique()]])
    back = torch.from_numpy(KDTree(cloud.numpy()).query(truth.double().numpy())[0])
    far = max(float(there.quantile(0.95)), float(back.quantile(0.95)))
    farthest = max(float(there.max()), float(back.max()))
    return MeshErrors(0.5 * float(there.mean() + back.mean()), farthest, far)
