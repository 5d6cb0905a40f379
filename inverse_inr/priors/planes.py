"""Lattices over some of the axes, joined over all of them: the presets `planes` and `tensor`.

With n nodes per axis a plane costs n² numbers and a line n, where a dense grid costs n^d. On a
lattice of points each factor is interpolated along its own axes only, and the rest is broadcasting.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation
from inverse_inr.priors.encodings import Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.lattices.decomposition import TensorDecomposition
from inverse_inr.priors.lattices.factors import Planes
from inverse_inr.priors.preset import Layers, Levels, band, preset, seeded
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.topologies import MLP
from inverse_inr.ranges import Count, Positive, Seed


class SiLU(Activation):
    """z sigmoid(z): close to ReLU and smooth.

    A field that it decodes is as smooth as the interpolation of its features.
    """

    def forward(self, *z: Tensor) -> Tensor:
        return nn.functional.silu(z[0])


@preset
def planes(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    kind: Literal["sum", "product"] = "product",
    levels: Levels = 3,
    coarsest: Positive | None = None,
    finest: Positive | None = None,
    features: Count = 16,
    width: Count = 64,
    depth: Layers = 1,
    interpolation: Literal["linear", "smoothstep", "cubic"] = "linear",
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """Planes of all pairs of axes, joined and decoded (K-Planes, Fridovich-Keil et al. 2023).

    In 2-D it is two lines and a coarser plane (GA-Planes), in 1-D a line.

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        kind: "product" (K-Planes) or "sum" (tri-plane): how planes are joined.
        levels: Number of resolutions.
        coarsest: Cells along the longest side at the first level; None for finest / 2^(levels - 1).
        finest: Cells along the longest side at the last level; None for 4 b, one per pixel.
        features: Features per level and plane.
        width: Features per hidden layer of the decoder.
        depth: Number of hidden layers of the decoder.
        interpolation: "linear" (C⁰), "smoothstep" (C¹) or "cubic" (C²).
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting features and weights.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For an unknown kind, or a finest level coarser than the coarsest.

    Source:
        Product: Fridovich-Keil et al. 2023, K-Planes. Sum: Chan et al. 2022, EG3D. In 2-D: Sivgin
        et al. 2024, GA-Planes.
    """
    bandwidth, b = band(box, bandwidth)
    if finest is None:
        finest = max(2.0, 4 * b)
    if coarsest is None:
        coarsest = finest / 2.0 ** (levels - 1)
    if finest < coarsest:
        raise ValueError(
            f"planes: finest={finest} cells are fewer than coarsest={coarsest}. Swapped?"
        )
    cells = [coarsest * (finest / coarsest) ** (k / max(1, levels - 1)) for k in range(levels)]
    generator = seeded(seed)
    encoding = Planes(
        box, cells, features, kind=kind, interpolation=interpolation, generator=generator
    )

    def network(outputs: int) -> MLP:
        return MLP(
            encoding.size, outputs, width=width, depth=depth, activation=SiLU(), generator=generator
        )

    return Prior(
        box,
        encoding,
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=1e-2,
    )


@preset
def tensor(
    box: Box,
    channels: Count = 1,
    bandwidth: Positive | None = None,
    *,
    kind: Literal["vm", "cp"] = "vm",
    cells: Positive | None = None,
    rank: Count | None = None,
    interpolation: Literal["linear", "smoothstep", "cubic"] = "linear",
    head: HeadName = "linear",
    seed: Seed = 0,
) -> Prior:
    """A low-rank tensor of grids, without a network (Chen et al. 2022, TensoRF).

    Args:
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        bandwidth: Highest frequency, in cycles per unit of the box's first axis; b is the same in
            cycles per normalised unit. None for the Nyquist frequency of 128 pixels along the
            longest side.
        kind: "vm", vector times matrix, or "cp", vectors only.
        cells: Cells along the longest side; None for 4 b, one per pixel.
        rank: Products per term; None for 16 with "vm" in 3-D and more, 48 otherwise.
        interpolation: "linear" (C⁰), "smoothstep" (C¹) or "cubic" (C²).
        head: A name of `heads.HEADS`, or one name per channel.
        seed: Seed of the starting numbers.

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For an unknown kind.

    Source:
        Chen et al. 2022, TensoRF.
    """
    bandwidth, b = band(box, bandwidth)
    if cells is None:
        cells = max(2.0, 4 * b)
    if rank is None:
        rank = 48
        if kind == "vm" and box.ndim > 2:
            rank = 16

    def network(outputs: int) -> TensorDecomposition:
        return TensorDecomposition(
            box,
            outputs,
            kind=kind,
            cells=cells,
            rank=rank,
            interpolation=interpolation,
            generator=seeded(seed),
        )

    return Prior(
        box,
        Identity(box.ndim),
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=2e-2,
    )
