"""The mini-batch loss as a module, and which rows a step sees: a pure function of (seed, step)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, Memo, placement
from inverse_inr.hooks import BeforeStep, Begins, HasPrior
from inverse_inr.protocol import Predicts
from inverse_inr.regularizers import Weighted
from inverse_inr.term import Term


class Objective(nn.Module):
    """Σ weight D(A f, y) + Σ λ R(f): forward gives its parts, in the order of `names`; their sum is the loss.

    What parts of an operator know of what they learn (`hooks.HasPrior`) is added with the term's weight.
    """

    def __init__(
        self,
        prior: nn.Module,
        terms: Sequence[Term],
        regularizers: Sequence[Weighted],
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        self.prior, self.chunk = prior, chunk
        self.terms = [_own(term).to(*placement(prior)) for term in terms]
        self.operators = nn.ModuleList(
            t.operator for t in self.terms if isinstance(t.operator, nn.Module)
        )
        self.fidelities = nn.ModuleList(
            t.fidelity for t in self.terms if isinstance(t.fidelity, nn.Module)
        )
        self.parts = [
            part for regularizer in regularizers for part in regularizer.parts if part[0] > 0
        ]
        self.names = [f"D({type(t.operator).__name__})" for t in self.terms]
        self.names += [f"R({type(part).__name__})" for _, part in self.parts]
        self.own = [(t.weight, m) for t in self.terms for m in _with_prior(t.operator)]
        self.names += [f"R({type(m).__name__})" for _, m in self.own]

    def who_takes_part(self) -> list[object]:
        """The prior, then each term's operator and its fidelity: whose hooks the solver calls."""
        return [
            self.prior,
            *(part for term in self.terms for part in (term.operator, term.fidelity)),
        ]

    def forward(self, rows: Sequence[Tensor], points: Tensor) -> Tensor:
        field: Field = Memo(self.prior, self.chunk)
        data = [
            t.weight * t.loss(field, r, self.chunk) for t, r in zip(self.terms, rows, strict=True)
        ]
        data += [weight * part(field, points) for weight, part in self.parts]
        known = [(weight, module.negative_log_prior()) for weight, module in self.own]
        return torch.stack(data + [weight * value for weight, value in known if value is not None])


def _own(term: Term) -> Term:
    """The term with a copy of an operator or fidelity that a fit changes: solving must not change the user's."""
    parts = {"operator": term.operator, "fidelity": term.fidelity}
    return replace(term, **{k: copy.deepcopy(v) for k, v in parts.items() if changes(v)})  # pyright: ignore


def _with_prior(operator: object) -> list[HasPrior]:
    modules = operator.modules() if isinstance(operator, nn.Module) else ()
    return [m for m in modules if isinstance(m, HasPrior) and m.negative_log_prior() is not None]


def changes(part: object) -> bool:
    """Whether a fit changes the part: it learns, or has hooks that prepare or anneal it."""
    return learns(part) or isinstance(part, Begins | BeforeStep)


def learns(part: object) -> bool:
    return isinstance(part, nn.Module) and any(p.requires_grad for p in part.parameters())


def automatic_batch(term: Term, points: int = 2**15) -> int | None:
    """Rows a step so that the field sees about `points` points; None (all rows) where a row costs the whole lattice."""
    if isinstance(term.operator, Predicts):
        return min(len(term.trusted), 1024)
    looked_at, _ = term.operator(term.trusted[:1])
    if isinstance(looked_at, Grid):
        return None
    return max(16, points // max(1, looked_at[..., 0].numel()))


class RowSchedule:
    """Epochs of shuffled mini-batches of constant size over `rows`; `at(step)` is a pure function of seed and step."""

    def __init__(self, rows: Tensor, batch: int | None, seed: int) -> None:
        self.rows, self.seed = rows, seed
        self.batch = len(rows) if batch is None else min(batch, len(rows))
        self._epoch: tuple[int, Tensor] = (-1, rows)

    def at(self, step: int) -> Tensor:
        if self.batch == len(self.rows):
            return self.rows
        epoch, k = divmod(step, len(self.rows) // self.batch)
        if (
            epoch != self._epoch[0]
        ):  # remembered, not state: the same epoch always gives the same order
            generator = torch.Generator().manual_seed(mix(self.seed, epoch))
            self._epoch = (epoch, self.rows[torch.randperm(len(self.rows), generator=generator)])
        return self._epoch[1][k * self.batch : (k + 1) * self.batch]


def mix(seed: int, number: int) -> int:
    """One 63-bit seed from two numbers (splitmix64's finalizer)."""
    z = (seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    return (z ^ (z >> 27)) % 2**63


@contextmanager
def seeded(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """torch's default generator is a function of (seed, step) inside, and the user's again after."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        # not torch.manual_seed: it also queues a seed, with a stack trace, for each kind of device never used (1 ms)
        torch.default_generator.manual_seed(mix(seed, step))
        if device.type == "cuda":
            torch.cuda.manual_seed(mix(seed, step))
        yield
