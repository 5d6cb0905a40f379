"""Magnetic resonance slices: each pixel sees the volume through its slice's profile and pose.

    y_j = g_s B(p_j) Σ_k w_k f(x_jk)        x_jk = R(ω_s) R_s (p_j + d_s u_k) + c_s + t_s

s is the slice of pixel j. p_j lies in the plane of the slice, counted in mm from its middle;
u_k, w_k are nodes of the profile (`slice_profile`) and d_s = (pixel, pixel, thickness). The nominal
pose (R_s, c_s) takes the slice to the volume. The motion (ω_s, t_s) is learnt: first a rotation
about the slice's nominal middle, then a translation, both along the volume's axes. Gain g_s and
bias field B are learnt too.

Some of these cannot be told from the volume by any measurement, and are fixed: the mean motion of
all pixels and their mean log gain are zero, and so is the mean over stacks of the log bias.
Together with a bias, gains have no trend along their stack: a factor exp(p(z)) of the volume is
undone by gains exp(-3 p) of an axial stack and biases exp(2 p), exp(-p), exp(-p), whose mean is
zero. Gains of single slices, lost ones too, do not pull that trend (a Huber fit).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid, Query, RowOperator, SparseMatrix
from inverse_inr.operators.optics.psf import PSF
from inverse_inr.operators.quadrature import GaussNodes, sobol
from inverse_inr.operators.rigid import join, rotation_matrix
from inverse_inr.operators.rows import (
    beside_operator,
    matrix_on_grid,
    sampled_rows,
    without_lone_channel,
)
from inverse_inr.operators.slices.geometry import Slices
from inverse_inr.operators.slices.nodes import Nodes, around, matched, mirrored, profile_moments
from inverse_inr.operators.slices.nuisance import (
    BiasDegree,
    bias_terms,
    trend,
    trends,
    uneven_motion,
)
from inverse_inr.operators.slices.profile import Separable, slice_profile
from inverse_inr.ranges import checked

SETS = 64
"""Number of random node sets drawn per step, which pixels share in turn.

They are as accurate as one set per pixel, and faster.
"""

TENTH = 0.1
"""Unit of stored log gains and biases: one learning rate then suits them and motion in mm."""

ROWS_AT_ONCE = 2**14
"""Pixels per block while the sparse matrix of a volume is built."""


class SliceAcquisition(RowOperator):
    """Pixels of slices of a volume; row r is the r-th pixel of `slices`.

    Args:
        box: The box of the volume, 3-D.
        slices: The slices and their pixels.
        psf: "gaussian", "sinc", "rect", or a 3-D PSF in units of (pixel, pixel, thickness).
        nodes: Points per pixel: scrambled Sobol points and their mirror images, so an even number,
            with the mean and covariance of the profile. Or the orders of a product rule, one for
            each part of a separable profile.
        draws: Random points per pixel and step in training, made as `nodes` but shifted anew. None:
            `nodes`. Better None for "sinc", whose negative lobes make few draws noisy.
        motion: Learn rotation and translation of each slice, in `motion` (n, 6): rotation vector
            times `radius`, the rms distance of pixels from the middle of their slice, and
            translation, all in the box's unit.
        gain: Learn a factor of each slice, exp(0.1 `log_gain`).
        bias: Degree of a polynomial for the log of a smooth factor, one for each stack, fixed in
            the scanner where the slices nominally lie; 0 is none. The part that all stacks share
            belongs to the volume.

    Raises:
        ValueError: For slices of which no pixel lies in the box, an odd number of nodes, or the
            bias of a single stack.
    """

    root: Tensor | None

    @checked
    def __init__(
        self,
        box: Box,
        slices: Slices,
        psf: str | PSF = "gaussian",
        nodes: Nodes | tuple[GaussNodes, ...] = 32,
        *,
        draws: Nodes | None = 16,
        motion: bool = False,
        gain: bool = False,
        bias: BiasDegree = 0,
    ) -> None:
        super().__init__((len(slices.index),))
        psf = slice_profile(psf)
        _check(box, slices, bias)
        _check_nodes(psf, nodes, draws)
        self.box = box
        self.psf = psf
        self.nodes = nodes
        self.draws = draws
        self.radius = max(float(slices.positions.square().sum(-1).mean().sqrt()), 1e-6)
        self._set_geometry(slices)
        basis = bias_terms(box, slices.centers(), bias)
        self.basis = nn.Buffer(basis, persistent=False)
        self.trends = nn.Buffer(trends(slices, self.share, bias), persistent=False)
        n = len(slices.poses)
        stacks = int(slices.stack.max()) + 1
        self.motion = _learnt(torch.zeros(n, 6), motion)
        self.log_gain = _learnt(torch.zeros(n), gain)
        self.log_bias = _learnt(torch.zeros(stacks, basis.shape[1]), bias > 0)
        mean, root = profile_moments(psf)
        self.mean = nn.Buffer(mean, persistent=False)
        self.register_buffer("root", root, persistent=False)

    def _set_geometry(self, slices: Slices) -> None:
        """Keep where pixels lie, how many each slice has, and which slices follow each other."""
        self.poses = nn.Buffer(slices.poses.double())
        self.sizes = nn.Buffer(slices.sizes.double())
        self.index = nn.Buffer(slices.index.long(), persistent=False)
        self.positions = nn.Buffer(slices.positions.double(), persistent=False)
        self.stack = nn.Buffer(slices.stack)
        counts = torch.bincount(self.index, minlength=len(slices.poses)).double()
        self.share = nn.Buffer(counts / counts.sum(), persistent=False)  # of the pixels, by slice
        three, between = slices.successive()
        self.three = nn.Buffer(three, persistent=False)
        self.between = nn.Buffer(between, persistent=False)

    # --- parameters that are learnt ---------------------------------------------------------------

    def moved(self) -> Tensor:
        """The pose of each slice with its motion, (n, 4, 4) in float64."""
        motion = self.motion.double() - self.share.double() @ self.motion.double()
        nominal = self.poses.double()
        rotation = rotation_matrix(motion[:, :3] / self.radius) @ nominal[:, :3, :3]
        return join(rotation, nominal[:, :3, 3] + motion[:, 3:])

    def gains(self) -> Tensor:
        """The factor of each slice, (n,).

        Their geometric mean, weighted like the motion's, is one. Together with a bias their logs
        have no trend along the stack, by slices weighted in the same way.
        """
        level = self.log_gain
        if self.trends.shape[2]:
            slope = trend(level.double(), self.trends.double(), self.share.double())
            level = level - slope.to(level)
        return torch.exp(TENTH * (level - self.share.to(level) @ level))

    def bias(self, rows: Tensor) -> Tensor:
        """The bias field at some pixels; its geometric mean over stacks is one everywhere.

        Args:
            rows: (b,) numbers of pixels.

        Returns:
            (b,) factors, float64.
        """
        coefficients = TENTH * (self.log_bias - self.log_bias.mean(0)).double()
        own = coefficients[self.stack[self.index[rows]]]
        return torch.exp((self.basis[rows].double() * own).sum(-1))

    def negative_log_prior(self) -> Tensor | None:
        """Negative log prior of motion that is smooth in time, in nats per pixel.

        It is divided by the number of pixels like the data term. None if no motion is learnt, or if
        no three slices were acquired in a known order.
        """
        if not (self.motion.requires_grad and len(self.three)):
            return None
        return uneven_motion(self.motion, self.three, self.between, self.share) / len(self)

    # --- measuring --------------------------------------------------------------------------------

    def forward(self, rows: Tensor) -> Query:
        """Look at the profile's nodes around the pixels `rows`, at the slices' poses."""
        rows = rows.to(self.index.device)
        which = self.index[rows]
        offsets, weights = self._nodes(len(rows))
        positions = self.positions[rows].double()
        points = around(positions, offsets, self.moved(), self.sizes.double(), which)
        factor = self.gains()[which]
        if self.basis.shape[1]:
            factor = factor * self.bias(rows)

        def measure(values: Tensor) -> Tensor:
            seen = torch.einsum(
                "bkc,bk->bc", values, weights.to(values.dtype).expand(values.shape[:-1])
            )
            return without_lone_channel(factor.to(values.dtype.to_real())[:, None] * seen)

        return Query(points, measure)

    def _nodes(self, count: int) -> tuple[Tensor, Tensor]:
        """Offsets (1 or b, q, 3) in units of pixel and thickness, weights (1 or b, q)."""
        if self.training and self.draws is not None:
            return self._random_nodes(count, self.draws)
        return self._fixed_nodes()

    def _fixed_nodes(self) -> tuple[Tensor, Tensor]:
        device = self.index.device
        if isinstance(self.nodes, tuple):
            assert isinstance(self.psf, Separable)
            offsets, weights = (v.to(device) for v in self.psf.nodes(self.nodes))
        else:
            half = sobol(self.nodes // 2, self.psf.uniforms, 1)
            offsets, weights = self._drawn(mirrored(half).to(device))
        return offsets[None], (weights / weights.sum()).reshape(1, -1)

    def _random_nodes(self, count: int, draws: int) -> tuple[Tensor, Tensor]:
        device = self.index.device
        half = sobol(draws // 2, self.psf.uniforms, 1).to(device)
        shift = torch.rand(SETS, 1, self.psf.uniforms, dtype=half.dtype, device=device)
        offsets, weights = self._drawn(mirrored((half + shift) % 1))
        which = torch.arange(count, device=device) % SETS
        weights = weights[which] if weights.ndim == 2 else weights[None]
        return offsets[which], weights

    def _drawn(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Nodes from uniform numbers; equal weights get the profile's mean and covariance."""
        offsets, weights = self.psf.draw(u)
        if self.root is not None and weights.ndim == 1:
            offsets = matched(offsets, self.mean, self.root)
        return offsets, weights

    @beside_operator
    def on(self, grid: Grid) -> OnGrid:
        """The same pixels of the sampled volume, as a sparse matrix at today's poses.

        Values between voxels are multilinear.

        Args:
            grid: The grid of the volume.

        Returns:
            The map, with the same rows.
        """
        parts = [self.entries(grid, rows) for rows in torch.arange(len(self)).split(ROWS_AT_ONCE)]
        rows, columns, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        matrix = SparseMatrix(rows, columns, values, (len(self), grid.numel))
        return matrix_on_grid(matrix, grid, self.shape)

    def entries(self, grid: Grid, rows: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sparse entries of the map from a sampled volume to some pixels.

        Args:
            grid: The grid of the volume.
            rows: (b,) consecutive numbers of pixels.

        Returns:
            Row, voxel and value, with one entry for each pixel and voxel.
        """
        found = sampled_rows(self, grid, rows).tocoo()
        return found.row + int(rows[0]), found.col, found.data


def _learnt(values: Tensor, learn: bool) -> Tensor:
    if learn:
        return nn.Parameter(values)
    return nn.Buffer(values)


def _check_nodes(psf: PSF, nodes: int | tuple[int, ...], draws: int | None) -> None:
    for name, count in (("nodes", nodes), ("draws", draws)):
        if isinstance(count, int) and (count < 8 or count % 2):
            raise ValueError(
                f"SliceAcquisition: {name}={count} must be even and at least 8: "
                "each node has its mirror."
            )
    if isinstance(nodes, int):
        return
    if not isinstance(psf, Separable) or len(nodes) != len(psf.parts):
        raise ValueError(
            f"SliceAcquisition: nodes={nodes} is for a separable profile of {len(nodes)} parts."
        )


def _check(box: Box, slices: Slices, bias: int) -> None:
    if box.ndim != 3:
        raise ValueError(f"SliceAcquisition: slices are of a volume; the box has {box.ndim} axes.")
    x = slices.centers()
    if not bool(((x >= x.new_tensor(box.lower)) & (x <= x.new_tensor(box.upper))).all(-1).any()):
        raise ValueError(
            f"SliceAcquisition: no pixel lies in the box {box.lower} to {box.upper}; "
            f"they lie between {x.amin(0).tolist()} and {x.amax(0).tolist()}. "
            "Another frame, or poses in pixels?"
        )
    if bias < 0 or (bias and int(slices.stack.max()) == 0):
        raise ValueError(
            f"SliceAcquisition: bias={bias} is a degree, and needs two stacks: "
            "that of one cannot be told from the volume."
        )
