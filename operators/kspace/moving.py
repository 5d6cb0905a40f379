"""k-space of an image that changes while it is measured: each readout has a time of its own.

    y_c(k) = ∫ s_c(x) f(x, t_r) exp(-2πi k·x) dx        for the samples k of readout r

Time is the last coordinate of the field: seconds, a phase of the heart, or a respiratory signal.
A row is a whole readout, a spoke or a line, so mini-batches are a few readouts, each seen at its
own moment, and no frames are needed. `on(grid)` is the same for a film: linear between its frames.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, Gridding, OnGrid, Query, RowOperator, sample
from inverse_inr.operators.kspace.arguments import as_coils, checked_trajectory
from inverse_inr.operators.rows import beside_operator
from inverse_inr.ranges import FiniteTensor, Positive, checked

OVERSAMPLING = 1.375
"""Size of the padded FFT of a frame relative to the frame."""
WIDTH = 7
"""Width of the gridding kernel of frames, in samples of that FFT: errors below 2e-5."""


class MovingKSpace(RowOperator):
    """Readouts of k-space, each at its own time; a row is a readout.

    Measurements are (readouts, samples), or (readouts, samples, coils).

    Args:
        grid: The pixels of an image, 2-D; `predict` asks the field there at each readout's time.
        trajectory: (readouts, samples, 2) in cycles per unit of the box, e.g. `radial_trajectory`.
        times: (readouts,) the last coordinate of the field at each readout. An `nn.Parameter` is
            learnt with the field.
        coils: Maps (coils, *grid.shape) or a field of as many complex channels, which do not move.
        period: Period of the field in time; None where it has none. It is the length of the time
            axis of films (`on`), whose last frame then lies beside the first.
        stiffness: Standard deviation of the second differences of learnt times from readout to
            readout, by which a signal is known to be smooth. Beyond it the penalty grows like the
            difference, not its square.

    Raises:
        ValueError: For an image that is not 2-D, a trajectory that does not fit it, or another
            number of times.

    Source:
        Golden-angle readouts: Feng et al., MRM 72, 2014, GRASP. A field of space and time: Catalan
        et al. 2023, NF-cMRI.
    """

    @checked
    def __init__(
        self,
        grid: Grid,
        trajectory: FiniteTensor,
        times: FiniteTensor,
        coils: Tensor | nn.Module | None = None,
        *,
        period: Positive | None = None,
        stiffness: Positive | None = None,
    ) -> None:
        if grid.ndim != 2 or trajectory.ndim != 3:
            raise ValueError(
                f"MovingKSpace: the trajectory has shape {tuple(trajectory.shape)} and the image "
                f"{grid.ndim} axes; expected (readouts, samples, 2) and a 2-D image."
            )
        if tuple(times.shape) != (len(trajectory),):
            raise ValueError(
                f"MovingKSpace: times have shape {tuple(times.shape)} for {len(trajectory)} "
                "readouts; expected one time for each."
            )
        super().__init__((len(trajectory),))
        k = checked_trajectory(trajectory, grid)
        self.image = grid
        self.period = period
        self.stiffness = stiffness
        self.frequencies = nn.Buffer(k.reshape(trajectory.shape), persistent=False)
        if isinstance(times, nn.Parameter):
            self.times = times
        else:
            self.times = nn.Buffer(times.detach().clone())
        self.coils, self.coil_count = as_coils(coils, grid)
        self.eval()

    @property
    def box(self) -> Box:
        """The box of the image and the times of the readouts, one period where there is one."""
        first, last = (float(t) for t in self.times.detach().aminmax())
        if self.period is not None:
            last = first + self.period
        if last <= first:
            last = first + 1.0
        plane = self.image.box
        return Box((*plane.lower, first), (*plane.upper, last))

    def forward(self, rows: Tensor) -> Query:
        """Look at all pixels at the times of the readouts `rows`."""
        times = self.times[rows.to(self.times.device)]
        places = self.image.points(times.dtype, times.device)
        shape = (len(times), *self.image.shape)
        points = torch.cat(
            [places.expand(*shape, 2), times[:, None, None, None].expand(*shape, 1)], -1
        )
        waves = self._waves(rows)
        return Query(points, lambda values: self._transform(values[..., 0], *waves))

    def negative_log_prior(self) -> Tensor | None:
        """How unlikely the learnt times are (`HasPrior`), a scalar in nats a readout."""
        if self.stiffness is None or len(self.times) < 3:
            return None
        bend = self.times.diff(n=2) / self.stiffness
        return ((1 + bend.square()).sqrt() - 1).mean()

    def _waves(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """exp(-2πi k x) along both axes of the image: (b, pixels, samples) complex128 each."""
        k = self.frequencies[rows.to(self.frequencies.device)]
        axes = self.image.axes(torch.float64, k.device)
        angles = [-2 * math.pi * x[:, None] * k[:, None, :, i] for i, x in enumerate(axes)]
        first, second = (torch.polar(torch.ones_like(angle), angle) for angle in angles)
        return math.prod(self.image.spacing) * first, second

    def _transform(self, images: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """The Fourier integral of each readout's own image (b, *shape): (b, samples[, coils])."""
        dtype = images.dtype.to_complex()
        seen = images.to(dtype)[:, None]
        if self.coils is not None:
            seen = seen * sample(self.coils, self.image).movedim(-1, 0).to(dtype)
        # a readout has few samples: sums over one axis and then the other need no gridding
        lines = seen @ second.to(dtype)[:, None]
        y = (lines * first.to(dtype)[:, None]).sum(-2)
        if self.coils is None:
            return y[:, 0]
        return y.movedim(1, -1)

    @beside_operator
    def on(self, grid: Grid) -> OnGrid:
        """The same readouts of a film, linear in time between its frames, by one NUFFT a frame.

        Where times are learnt, each readout keeps the two frames that it lies between now, and
        what they share of it follows its time.

        Args:
            grid: The grid of the film: two axes of space on the box of the image, then time.

        Raises:
            ValueError: For another box, pixels too coarse for the samples, or a time axis that is
                not one period long.
        """
        box = self.image.box
        if grid.ndim != 3 or (grid.box.lower[:2], grid.box.upper[:2]) != (box.lower, box.upper):
            raise ValueError(
                f"MovingKSpace.on: a film has the image's box from {box.lower} to {box.upper} and "
                f"a time axis; got one from {grid.box.lower} to {grid.box.upper}."
            )
        length = grid.box.lengths[2]
        if self.period is not None and not math.isclose(length, self.period, rel_tol=1e-6):
            raise ValueError(
                f"MovingKSpace.on: the film's time axis is {length:g} long and the period is "
                f"{self.period:g}."
            )
        film = Film(self, grid)
        shape = tuple(self.frequencies.shape[:2])
        if self.coil_count is not None:
            shape = (*shape, self.coil_count)
        return OnGrid(film, grid, shape, trailing=len(shape) - 1)


class Film(nn.Module):
    """The map from a film (*shape, frames) to readouts (readouts, samples[, coils]).

    Args:
        readouts: The operator of the readouts.
        grid: The grid of the film.
    """

    def __init__(self, readouts: MovingKSpace, grid: Grid) -> None:
        super().__init__()
        self.image = Grid(Box(grid.box.lower[:2], grid.box.upper[:2]), grid.shape[:2])
        self.readouts = readouts
        self.frames = grid.shape[2]
        self.start = float(grid.axes(torch.float64)[2][0])
        self.step = grid.spacing[2]
        before = self._place().detach().floor()
        if readouts.period is None:
            before = before.clamp(0, max(self.frames - 2, 0))
        self.before = nn.Buffer(before, persistent=False)
        index = before.long().cpu()
        # readouts by the frame before them and by the one after them
        neighbours = torch.stack([index % self.frames, (index + 1) % self.frames])
        if not readouts.times.requires_grad:
            neighbours[1, (self._place() == before).cpu()] = -1  # they lie in the middle of one
        self.neighbours = nn.Buffer(neighbours, persistent=False)
        self.griddings = nn.ModuleList(
            self._gridding((self.neighbours == j).any(0)) for j in range(self.frames)
        )

    def forward(self, film: Tensor) -> Tensor:
        """Readouts of a film."""
        share = self._place() - self.before
        weights = torch.stack([1 - share, share]).to(film.dtype.to_real())
        maps = None
        if self.readouts.coils is not None:
            maps = sample(self.readouts.coils, self.image).movedim(-1, 0)
        parts, rows = [], []
        for j, gridding in enumerate(self.griddings):
            of_frame = self.neighbours == j
            seen = of_frame.any(0).nonzero()[:, 0]
            if len(seen):
                weight = (weights * of_frame).sum(0)[seen]
                parts.append(
                    weight[:, None, None] * self._frame(film[..., j], gridding, maps, len(seen))
                )
                rows.append(seen)
        y = torch.cat(parts)
        out = y.new_zeros(self.neighbours.shape[1], *y.shape[1:])
        out = out.index_add(0, torch.cat(rows), y)
        if maps is None:
            return out[..., 0]
        return out

    def _frame(self, image: Tensor, gridding: nn.Module, maps: Tensor | None, count: int) -> Tensor:
        """The readouts that lie beside one frame, as it shows them: (count, samples, coils)."""
        images = image.to(image.dtype.to_complex())[None]
        if maps is not None:
            images = images * maps.to(images)
        return gridding(images).reshape(len(images), count, -1).movedim(0, -1)

    def _place(self) -> Tensor:
        """Where the readouts lie among the frames: 0 is the middle of the first."""
        place = (self.readouts.times - self.start) / self.step
        if self.readouts.period is None:
            return place.clamp(0, self.frames - 1)
        return place

    def _gridding(self, chosen: Tensor) -> nn.Module:
        """The NUFFT of one frame to the samples of some readouts."""
        if not chosen.any():
            return nn.Identity()
        k = checked_trajectory(self.readouts.frequencies[chosen], self.image)
        angle = -2 * math.pi * (k @ k.new_tensor(self.image.box.center))
        size = torch.full_like(angle, math.prod(self.image.spacing))
        return Gridding(
            self.image.shape,
            (k * k.new_tensor(self.image.spacing)).numpy(),
            oversampling=OVERSAMPLING,
            width=WIDTH,
            scale=torch.polar(size, angle).numpy(),
            dtype=self.readouts.times.dtype,
        )
