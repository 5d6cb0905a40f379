"""A mesh as a field: its inside, its signed or its unsigned distance, learnt at places near it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from inverse_inr import Field, Problem, Suggestion, Term
from inverse_inr.fidelity import Fidelity
from inverse_inr.operators import Values
from inverse_inr.problems.shapes.clouds import CANDIDATES, LIMIT, around, unsigned
from inverse_inr.problems.shapes.output import figure, write_surface
from inverse_inr.problems.shapes.solids import OPEN, SOLIDS, cloud_on, distance_of_solid
from inverse_inr.ranges import Count, Fraction, Seed, checked
from inverse_inr.stopping import Never
from inverse_inr.surfaces import (
    ClampedL1,
    CrossEntropy,
    Mesh,
    Occupancy,
    SignedDistance,
    distance_to,
    inside,
    near_and_far,
    read_mesh,
    start_radius,
)
from inverse_inr.surfaces.insides import require_closed

KNOWN = 4000
"""Points of a generated shape, near which places are drawn."""
STRENGTH = 0.3
"""Factor of the correction to the first sphere, in half sides of the box: by a tenth of the radius,
what is not round is reached late. Like those below it was set on a capsule, a turned box and a
turned chain link of seed 20."""
BANDWIDTH = {"signed": 8.0, "occupancy": 6.5}
"""In cycles per half side of the box."""
SOFTNESS = 0.05
"""The length in which the first sphere's logit changes by one, in half sides of the box."""
PLACES = 200_000
"""Places at which an inside is learnt: each says little, and all that is not asked may turn out to
be inside. So the many that are far must be closer to each other than half a wave of the prior."""
REACHES, FAR = (0.004, 0.015, 0.05), 0.5
"""Where they are, as `near_and_far` has it: the sharper, the nearer."""
LEARNING_RATE = 3e-3
"""Adam's, which falls to nothing as a cosine."""


@checked
def shape_mesh(
    path: str = "torus",
    *,
    kind: Literal["occupancy", "signed", "unsigned"] | None = None,
    margin: Fraction = 0.2,
    cells: Count = 48,
    steps: Count = 1000,
    seed: Seed = 0,
) -> Problem:
    """Learn a mesh as a field from places near it, whose insides and distances are exact.

    "occupancy": the logit of being inside, by cross entropy. "signed": the distance, negative
    inside, by the clamped L1 loss of DeepSDF and MetaSDF. "unsigned": the distance of a surface
    that may be open.

    Args:
        path: A PLY, OBJ or STL of your own, or "sphere", "box", "torus" or "bowl" (open), known
            exactly.
        kind: What is learnt; None for "signed", but "unsigned" for the bowl.
        margin: The box is so much larger than the mesh, as a part of its longest side.
        cells: Voxels along the longest side of the box, for the mesh that comes out.
        steps: Steps of the fit.
        seed: Seed of the places.

    Returns:
        The problem. `reference` is the exact distance of a generated shape.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is no mesh.
        ValueError: The mesh is not closed, so that it has no inside, or its faces turn inwards.
    """
    if kind is None:
        kind = "unsigned" if path in OPEN else "signed"
    generator = torch.Generator().manual_seed(seed)
    cloud, distance, reference = _known(path, kind, seed)
    box, grid = around(cloud, margin, cells)
    notes = {"kind": kind}
    if kind == "unsigned":
        made = unsigned(cloud, distance, box, grid, steps, generator)
        return replace(made, reference=reference, notes=notes)
    half = 0.5 * max(box.lengths)
    begin: dict[str, Any] = {"radius": start_radius(cloud, box), "strength": STRENGTH * half}
    fidelity: Fidelity
    if kind == "occupancy":
        places = near_and_far(cloud, box, PLACES, generator, reaches=REACHES, far=FAR)
        y = (distance(places) < 0).float()
        fidelity = CrossEntropy()
        start = partial(Occupancy, box, softness=SOFTNESS * half, **begin)
    else:
        places = near_and_far(cloud, box, CANDIDATES, generator)
        y = distance(places).float()
        fidelity = ClampedL1(LIMIT * half)
        start = partial(SignedDistance, box, **begin)
    suggested = Suggestion(
        prior="siren",
        options={"width": 96, "depth": 3, "bandwidth": BANDWIDTH[kind] / half},
        start=start,
        steps=steps,
        batch=2048,
        lr=LEARNING_RATE,
        stopping=Never(),
        figure=figure,
        write=write_surface,
    )
    term = Term(Values(places), y, fidelity)
    return Problem([term], box, grid, reference=reference, suggested=suggested, notes=notes)


def _known(
    path: str, kind: str, seed: int
) -> tuple[Tensor, Callable[[Tensor], Tensor], Field | None]:
    """Points on the shape, what is learnt (m,) at places (m, 3), and the exact field if known."""
    if path in SOLIDS:
        exact = distance_of_solid(path)
        if path in OPEN and kind != "unsigned":
            raise ValueError(f"shape_mesh: the {path} is open and has no inside: kind='unsigned'.")
        cloud, _ = cloud_on(path, KNOWN, seed)
        if kind == "unsigned":
            return cloud, partial(_unsigned, exact), partial(_magnitude, exact)
        return cloud, partial(_lone, exact), exact
    if not Path(path).suffix:
        distance_of_solid(path)  # says which shapes there are
    mesh = read_mesh(path)
    if kind == "unsigned":
        return mesh.sample(CANDIDATES, seed), partial(distance_to, mesh), None
    require_closed(f"shape_mesh: {path}", mesh)
    side = partial(_side if kind == "occupancy" else signed_distance, mesh)
    return mesh.sample(CANDIDATES, seed), side, None


def signed_distance(mesh: Mesh, points: Tensor) -> Tensor:
    """Measure the exact distance from a closed mesh, negative inside.

    Args:
        mesh: The mesh.
        points: (n, 3).

    Returns:
        (n,) in float64.
    """
    away = distance_to(mesh, points)
    return torch.where(inside(mesh, points), -away, away)


def _side(mesh: Mesh, points: Tensor) -> Tensor:
    """-1 inside a closed mesh, 1 outside."""
    return 1 - 2 * inside(mesh, points).double()


def _lone(exact: Field, points: Tensor) -> Tensor:
    return exact(points)[..., 0]


def _magnitude(exact: Field, points: Tensor) -> Tensor:
    return exact(points).abs()


def _unsigned(exact: Field, points: Tensor) -> Tensor:
    return _magnitude(exact, points)[..., 0]
