"""The rows that each step sees, as a pure function of (seed, step), where the step is made."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr.devices import CPU, sent
from inverse_inr.domain import Grid
from inverse_inr.hooks import HasBatch, Stored
from inverse_inr.kernels.permutation import permuted, permuted_by_blocks
from inverse_inr.protocol import Predicts
from inverse_inr.row_indices import beside
from inverse_inr.row_sets import LARGE, TOGETHER, Rows, listed
from inverse_inr.solver.seeds import mix
from inverse_inr.term import Term

POINTS = 2**15
"""Field points per step on a CPU, whose caches they fill."""

POINTS_ON_GPU = 2**18
"""Field points per step on a GPU, which fewer leave idle between its kernels."""


def automatic_batch(term: Term, points: int | None = None) -> int | None:
    """The number of rows per step with which the field sees about `points` points.

    Args:
        term: The acquisition; its first trusted row tells how many points a row looks at.
        points: Field points per step; None for what suits the device of the measurements.

    Returns:
        At least 16; at most 1024 for an operator that predicts by itself; where rows look
        at a whole grid, what the operator says (`hooks.HasBatch`), or None for all rows.
    """
    if points is None:
        points = POINTS
        if term.y.device.type != "cpu":
            points = POINTS_ON_GPU
    if isinstance(term.operator, Predicts):
        return min(term.count, 1024)
    looked_at, _ = term.operator(beside(term.operator, term.fitted[:1], term.y.device))
    if isinstance(looked_at, Grid):
        if isinstance(term.operator, HasBatch):
            return term.operator.batch
        return None
    return max(16, points // max(1, looked_at[..., 0].numel()))


class RowSchedule:
    """Epochs of shuffled mini-batches of constant size.

    Args:
        rows: (n,) indices of the measurements that may be fitted.
        batch: Rows per step; None for all of them, unshuffled.
        seed: Decides the order of each epoch.
        device: Device on which the steps want their rows.
        y: The measurements. Those on disk (`hooks.Stored`) are shuffled within blocks, and read
            beside the steps before.
    """

    def __init__(
        self,
        rows: Rows,
        batch: int | None,
        seed: int,
        device: torch.device = CPU,
        y: object = None,
    ) -> None:
        self.rows = rows
        self.device = device
        self.seed = seed
        self.batch = len(rows)
        if batch is not None:
            self.batch = min(batch, len(rows))
        self._epoch: tuple[int, Tensor] = (-1, torch.arange(0))
        self._all = torch.arange(0)
        self._stored = y if isinstance(y, Stored) else None
        if self.batch == len(rows):
            self._all = listed(rows).to(device)

    def at(self, step: int) -> Tensor:
        """The (batch,) rows of step number `step`, from 0: a pure function of it and the seed."""
        if self.batch == len(self.rows):
            return self._all
        epoch, k = divmod(step, len(self.rows) // self.batch)
        if self._stored is not None:
            ahead = k + max(1, TOGETHER * self._stored.block // self.batch)
            if ahead < len(self.rows) // self.batch:
                self._stored.prefetch(self._by_blocks(epoch, ahead, self._stored.block))
            return sent(self._by_blocks(epoch, k, self._stored.block), self.device)
        if len(self.rows) >= LARGE:
            places = torch.arange(k * self.batch, (k + 1) * self.batch)
            shuffled = permuted(places, len(self.rows), mix(self.seed, epoch))
            return sent(self.rows[shuffled], self.device)
        if epoch != self._epoch[0]:
            # only remembered, no state: the same epoch always has the same order
            generator = torch.Generator().manual_seed(mix(self.seed, epoch))
            order = self.rows[torch.randperm(len(self.rows), generator=generator)]
            self._epoch = (epoch, sent(order, self.device))
        return self._epoch[1][k * self.batch : (k + 1) * self.batch]

    def _by_blocks(self, epoch: int, k: int, block: int) -> Tensor:
        """The rows of the k-th step of an epoch, where rows are read in blocks."""
        places = torch.arange(k * self.batch, (k + 1) * self.batch)
        key = mix(self.seed, epoch)
        return self.rows[permuted_by_blocks(places, len(self.rows), block, TOGETHER, key)]


def row_schedules(
    terms: Sequence[Term],
    fit_rows: Sequence[Rows],
    batch: int | None,
    *,
    full_batch: bool,
    seed: int,
) -> list[RowSchedule]:
    """One schedule per term.

    Args:
        terms: The acquisitions.
        fit_rows: For each term, the indices of the measurements that may be fitted.
        batch: Rows per step for each term; None for `automatic_batch`.
        full_batch: The optimizer wants all rows in every step.
        seed: Each term's order is drawn from a seed of its own, counted up from this one.
    """
    schedules = []
    for k, (term, rows) in enumerate(zip(terms, fit_rows, strict=True)):
        size = None
        if not full_batch:
            size = batch or automatic_batch(term)
        here = beside(term.operator, rows[:1], term.y.device).device
        schedules.append(RowSchedule(rows, size, seed + k, here, term.y))
    return schedules
