"""Magnetic resonance slices: each pixel is the volume seen through its slice's profile, at the slice's own pose.

    y_j = g_s B(p_j) Σ_k w_k f(x_jk)        x_jk = R(ω_s) R_s (p_j + d_s u_k) + c_s + t_s        s the slice of pixel j

p_j lies in the plane of the slice, counted in mm from its middle; u_k, w_k are nodes of the profile (`slice_profile`)
and d_s = (pixel, pixel, thickness). The nominal pose (R_s, c_s) takes the slice to the volume. The motion (ω_s, t_s)
is learnt: first a rotation about the slice's nominal middle, then a translation, both along the volume's axes. Gain g_s
and bias field B are learnt too. What no measurement can tell from the volume is fixed: the mean motion of all pixels
and their mean log gain are zero, and so is the mean over stacks of the log bias. Beside a bias, gains have no trend
along their stack: a factor exp(p(z)) of the volume is undone by gains exp(-3 p) of an axial stack and biases exp(2 p),
exp(-p), exp(-p), whose mean is zero. Gains of single slices, lost ones too, do not pull that trend (a Huber fit).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid, Query, RowOperator, SparseMatrix
from inverse_inr.operators.optics.psf import PSF
from inverse_inr.operators.quadrature import sobol
from inverse_inr.operators.rigid import apply, join, rotation_matrix
from inverse_inr.operators.rows import ArrayFunction, sampled_rows, without_lone_channel
from inverse_inr.operators.slices.geometry import Slices
from inverse_inr.operators.slices.nuisance import bias_terms, trend, trends, uneven_motion
from inverse_inr.operators.slices.profile import Separable, slice_profile

SETS = 64
"""Sets of random nodes a step, taken in turn by its pixels: as good as one for each, without the time."""
TENTH = 0.1
"""Of a log gain or log bias a unit: then the learning rate of motion in mm suits them too."""


class SliceAcquisition(RowOperator):
    """Pixels of slices of a volume on `box`; row r is the r-th pixel of `slices`.

    psf     "gaussian", "sinc", "rect" or a 3-D PSF in units of (pixel, pixel, thickness)
    nodes   points a pixel: scrambled Sobol points and their mirror images, so an even number, with the mean and
            covariance of the profile; or the orders of a product rule, one for each part of a separable profile
    draws   random points a pixel and step in training, as `nodes` but shifted anew; None: `nodes`. Better None for
            "sinc", whose negative lobes make few draws noisy.
    motion  learn rotation and translation of each slice, in `motion` (n, 6): rotation vector times `radius`, the rms
            distance of pixels from the middle of their slice, and translation, all in the box's unit
    gain    learn a factor of each slice, exp(0.1 `log_gain`)
    bias    degree of a polynomial for the log of a smooth factor, one for each stack, fixed in the scanner where the
            slices nominally lie; 0 is none. What all stacks share is part of the volume.
    Raises ValueError for slices of which no pixel lies in the box, an odd number of nodes, bias of a single stack.
    """

    root: Tensor | None

    def __init__(
        self,
        box: Box,
        slices: Slices,
        psf: str | PSF = "gaussian",
        nodes: int | tuple[int, ...] = 32,
        *,
        draws: int | None = 16,
        motion: bool = False,
        gain: bool = False,
        bias: int = 0,
    ) -> None:
        super().__init__((len(slices.index),))
        psf = slice_profile(psf)
        _check(box, slices, psf, nodes, draws, bias)
        self.box, self.psf, self.nodes, self.draws = box, psf, nodes, draws
        self.poses, self.sizes = nn.Buffer(slices.poses.double()), nn.Buffer(slices.sizes.double())
        self.index = nn.Buffer(slices.index.long(), persistent=False)
        self.positions, self.stack = (
            nn.Buffer(slices.positions.double(), persistent=False),
            nn.Buffer(slices.stack),
        )
        self.radius = max(float(slices.positions.square().sum(-1).mean().sqrt()), 1e-6)
        n, stacks = len(slices.poses), int(slices.stack.max()) + 1
        counts = torch.bincount(self.index, minlength=n).double()
        self.share = nn.Buffer(counts / counts.sum(), persistent=False)  # of the pixels, by slice
        three, between = slices.successive()
        self.three, self.between = (
            nn.Buffer(three, persistent=False),
            nn.Buffer(between, persistent=False),
        )
        basis = bias_terms(box, slices.centers(), bias)
        self.basis = nn.Buffer(basis, persistent=False)
        self.trends = nn.Buffer(trends(slices, self.share, bias), persistent=False)
        self.motion, self.log_gain = (
            _learnt(torch.zeros(n, 6), motion),
            _learnt(torch.zeros(n), gain),
        )
        self.log_bias = _learnt(torch.zeros(stacks, basis.shape[1]), bias > 0)
        mean, root = _moments(psf)
        self.mean = nn.Buffer(mean, persistent=False)
        self.register_buffer("root", root, persistent=False)

    # --- what is learnt ---------------------------------------------------------------------------------------------

    def moved(self) -> Tensor:
        """The pose of each slice with its motion, (n, 4, 4) in float64."""
        motion = self.motion.double() - self.share.double() @ self.motion.double()
        nominal = self.poses.double()
        rotation = rotation_matrix(motion[:, :3] / self.radius) @ nominal[:, :3, :3]
        return join(rotation, nominal[:, :3, 3] + motion[:, 3:])

    def gains(self) -> Tensor:
        """The factor of each slice, (n,); their geometric mean, weighted like the motion's, is one.

        Beside a bias their logs have no trend along the stack, by slices weighted in the same way.
        """
        level = self.log_gain
        if self.trends.shape[2]:
            level = level - trend(level.double(), self.trends.double(), self.share.double()).to(
                level
            )
        return torch.exp(TENTH * (level - self.share.to(level) @ level))

    def bias(self, rows: Tensor) -> Tensor:
        """The bias field at the pixels, (b,); its geometric mean over stacks is one everywhere."""
        coefficients = TENTH * (self.log_bias - self.log_bias.mean(0)).double()
        return torch.exp(
            (self.basis[rows].double() * coefficients[self.stack[self.index[rows]]]).sum(-1)
        )

    def negative_log_prior(self) -> Tensor | None:
        """Motion that goes on in time, where the order of acquisition is known; each pixel's share, as of the loss."""
        if not (self.motion.requires_grad and len(self.three)):
            return None
        return uneven_motion(self.motion, self.three, self.between, self.share) / len(self)

    # --- measuring --------------------------------------------------------------------------------------------------

    def forward(self, rows: Tensor) -> Query:
        rows = rows.to(self.index.device)
        which = self.index[rows]
        offsets, weights = self._nodes(len(rows))
        poses, sizes = self.moved()[which], self.sizes.double()[which]
        in_plane = torch.nn.functional.pad(self.positions[rows].double(), (0, 1))
        points = apply(poses, in_plane[:, None] + sizes[:, None] * offsets)
        factor = self.gains()[which]
        if self.basis.shape[1]:
            factor = factor * self.bias(rows)

        def measure(values: Tensor) -> Tensor:
            real = values.real.dtype if values.is_complex() else values.dtype
            seen = torch.einsum(
                "bkc,bk->bc", values, weights.to(values.dtype).expand(values.shape[:-1])
            )
            return without_lone_channel(factor.to(real)[:, None] * seen)

        return Query(points, measure)

    def _nodes(self, count: int) -> tuple[Tensor, Tensor]:
        """Offsets (1 or b, q, 3) in units of pixel and thickness, weights (1 or b, q)."""
        device = self.index.device
        if self.training and self.draws is not None:
            half = sobol(self.draws // 2, self.psf.uniforms, 1).to(device)
            shift = torch.rand(SETS, 1, self.psf.uniforms, dtype=half.dtype, device=device)
            offsets, weights = self._matched(*self.psf.draw(mirrored((half + shift) % 1)))
            which = torch.arange(count, device=device) % SETS
            return offsets[which], weights[which] if weights.ndim == 2 else weights[None]
        if isinstance(self.nodes, tuple):
            assert isinstance(self.psf, Separable)
            offsets, weights = (v.to(device) for v in self.psf.nodes(self.nodes))
        else:
            offsets, weights = self._matched(
                *self.psf.draw(mirrored(sobol(self.nodes // 2, self.psf.uniforms, 1)).to(device))
            )
        return offsets[None], (weights / weights.sum()).reshape(1, -1)

    def _matched(self, offsets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Nodes of equal weight moved a little, so that their mean and covariance are the profile's."""
        if self.root is None or weights.ndim > 1:
            return offsets, weights
        centered = offsets - offsets.mean(-2, keepdim=True)
        ridge = 1e-9 * torch.eye(3, dtype=offsets.dtype, device=offsets.device)
        own = torch.linalg.cholesky(centered.mT @ centered / offsets.shape[-2] + ridge)
        standard = torch.linalg.solve_triangular(own, centered.mT, upper=False)
        return self.mean.to(offsets) + (self.root.to(offsets) @ standard).mT, weights

    def on(self, grid: Grid) -> OnGrid:
        """The same pixels of the sampled volume, multilinear between voxels: a sparse matrix at today's poses."""
        parts = [self.entries(grid, rows) for rows in torch.arange(len(self)).split(2**14)]
        rows, columns, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        matrix = SparseMatrix(rows, columns, values, (len(self), grid.numel)).to(self.index.device)

        def seen(image: Tensor) -> Tensor:
            return matrix(image.reshape(grid.numel, *image.shape[grid.ndim :]))

        return OnGrid(ArrayFunction(seen, matrix), grid, self.shape)

    def entries(self, grid: Grid, rows: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, voxel and value of what some pixels see of a sampled volume; one entry for each pixel and voxel."""
        found = sampled_rows(self, grid, rows).tocoo()
        return found.row + int(rows[0]), found.col, found.data


def _learnt(values: Tensor, learn: bool) -> Tensor:
    return nn.Parameter(values) if learn else nn.Buffer(values)


def _check(
    box: Box, slices: Slices, psf: PSF, nodes: int | tuple[int, ...], draws: int | None, bias: int
) -> None:
    if box.ndim != 3:
        raise ValueError(f"SliceAcquisition: slices are of a volume; the box has {box.ndim} axes.")
    for name, count in (("nodes", nodes), ("draws", draws)):
        if isinstance(count, int) and (count < 8 or count % 2):
            raise ValueError(
                f"SliceAcquisition: {name}={count} must be even and at least 8: each node has its mirror."
            )
    if isinstance(nodes, tuple) and not (
        isinstance(psf, Separable) and len(nodes) == len(psf.parts)
    ):
        raise ValueError(
            f"SliceAcquisition: nodes={nodes} is for a separable profile of {len(nodes)} parts."
        )
    x = slices.centers()
    if not bool(((x >= x.new_tensor(box.lower)) & (x <= x.new_tensor(box.upper))).all(-1).any()):
        raise ValueError(
            f"SliceAcquisition: no pixel lies in the box {box.lower} to {box.upper}; they lie between "
            f"{x.amin(0).tolist()} and {x.amax(0).tolist()}. Another frame, or poses in pixels?"
        )
    if bias < 0 or (bias and int(slices.stack.max()) == 0):
        raise ValueError(
            f"SliceAcquisition: bias={bias} is a degree, and needs two stacks: that of one cannot be told from the "
            "volume."
        )


def _moments(psf: PSF) -> tuple[Tensor, Tensor | None]:
    """Mean and Cholesky factor of the covariance of a profile; no factor where nodes have unequal weights."""
    offsets, weights = psf.nodes(8)
    mean = weights @ offsets
    centered = offsets - mean
    root, failed = torch.linalg.cholesky_ex((weights * centered.mT) @ centered)
    drawn = psf.draw(sobol(64, psf.uniforms, 1).to(offsets.device))[1]
    equal = torch.allclose(drawn, torch.full_like(drawn, 1 / 64)) and not int(failed)
    return mean, root if equal else None


def mirrored(u: Tensor) -> Tensor:
    """Points and, in the opposite order, their mirror images in the middle of the unit cube: (*b, q, d) -> (*b, 2q, d).

    The k-th and the k-th last node of a symmetric profile are then opposite.
    """
    return torch.cat([u, 1 - u.flip(-2)], -2)
