"""`AlongLines`: the sums of a learnable field along lines (`hooks.SumsLines`)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class AlongLines(nn.Module):
    """The part of a `Prior` that is asked for sums along lines, which is one for all priors."""

    @property
    def sums_lines(self) -> bool:
        """Whether a kernel sums this field along lines: a small `hash` field on a CUDA device."""
        from inverse_inr.priors.lattices.ray_sums import fused_parts

        field: Any = self
        return fused_parts(field) is not None

    def line_sums(self, first: Tensor, step: Tensor, samples: int) -> Tensor:
        """Sum the field at equally spaced points of lines, as `ray_sums` does.

        Args:
            first: (n, d) first point of each line, in physical units.
            step: (n, d) from each point to the next.
            samples: Points of each line.

        Returns:
            (n, channels) sums, in units of the field times those of the box.
        """
        from inverse_inr.priors.lattices.ray_sums import ray_sums

        field: Any = self
        return ray_sums(field, first, step, samples)
