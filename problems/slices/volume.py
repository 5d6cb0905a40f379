"""A volume from stacks of slices in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inverse_inr.problems.reconstruction import Reconstruction, reconstructed
from inverse_inr.problems.slices.volumes import slices


def volume(
    stacks: Sequence[str], *, solving: dict[str, Any] | None = None, **keywords: Any
) -> Reconstruction:
    """Reconstruct a volume from NIfTI or DICOM stacks of moving slices.

    Args:
        stacks: Files, as in `slices`.
        solving: Keywords of `solve`. Without them `solve` decides by held-out measurements.
        **keywords: Further keywords of `slices`: `masks=`, `resolution=`, `thickness=`, ...

    Returns:
        The volume, and the solution; `found.problem.grid.affine` places its voxels in the world,
        and `found.solution.write("volume.nii.gz")` writes it with that affine.

    Raises:
        ValueError: As in `slices`.
    """
    return reconstructed(slices(stacks, **keywords), **(solving or {}))
