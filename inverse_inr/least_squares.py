"""A problem as a linear method sees it: weighted least squares in the image on its grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from inverse_inr.compose import LinearMap, as_linear_map, on_grid
from inverse_inr.fidelity import L2, decorrelated, least_squares
from inverse_inr.hooks import HasBatch, HasLeastSquares
from inverse_inr.kernels.linear import largest_singular_value
from inverse_inr.problem import Problem
from inverse_inr.protocol import Operator, evaluating
from inverse_inr.ranges import Seed
from inverse_inr.row_sets import Rows, listed
from inverse_inr.sampled import SampledField
from inverse_inr.term import Term


@dataclass
class LeastSquares:
    """½ Σ_t Σ precision_t |A_t x - y_t|², the problem that a classical method solves.

    Images are (*grid.shape, channels); b_t is the number of rows of term t.

    Args:
        maps: A_t of each term.
        targets: (b_t, *m) measurements y_t that A_t x is to match, one tensor per term.
        precisions: (b_t, *m) weights of the squared residuals, one tensor per term. They hold the
            term's weight, and a division by its number of measurements makes sums means.
    """

    maps: list[LinearMap]
    targets: list[Tensor]
    precisions: list[Tensor]
    _norms: dict[int, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, problem: Problem, rows: Sequence[Rows]) -> LeastSquares:
        """Translate a problem, with the least squares that stand in for each term's fidelity.

        Measurements whose noise is correlated within a row are whitened, and so is A_t x.

        Args:
            problem: The problem, whose operators are linear or affine.
            rows: (b_t,) indices of the measurements to use, one tensor per term.

        Returns:
            The least-squares problem on `problem.grid`.
        """
        maps: list[LinearMap] = []
        targets: list[Tensor] = []
        precisions: list[Tensor] = []
        for term, some in zip(problem.terms, rows, strict=True):
            chosen = listed(some)
            linear = as_linear_map(
                term.operator,
                problem.grid,
                rows=chosen,
                channels=problem.channels,
                dtype=_image_dtype(problem, term),
                device=term.y.device,
            )
            whiten, fidelity = decorrelated(term.fidelity, chosen)
            if whiten is None:
                target, precision = (v[chosen] for v in least_squares(term.fidelity, term.y))
            else:
                linear = linear.then(whiten)
                target, precision = least_squares(fidelity, whiten(term.y[chosen]))
            weight = term.weight * precision.to(term.y.dtype.to_real())
            maps.append(linear)
            targets.append(target - linear.offset.to(target))
            precisions.append(weight / target.numel())
        return cls(maps, targets, precisions)

    def in_parts(
        self, problem: Problem, rows: Sequence[Rows], seed: Seed = 0
    ) -> list[LeastSquares]:
        """Write the sum as one of parts, each of some of the rows, drawn at random.

        There are several where the operators' maps of sampled images cost what the rows cost that
        they are asked for (`hooks.HasBatch`), and hold more rows than they name for a step.

        Args:
            problem: The problem that this was made of.
            rows: (b_t,) indices of the measurements that this was made of, one tensor per term.
            seed: Decides which rows come together.

        Returns:
            The parts, whose values add up to this one's; itself alone where there is one.
        """
        seen = [
            replace(term, operator=on_grid(term.operator, problem.grid, term.y.device))
            for term in problem.terms
        ]
        chosen = [listed(some) for some in rows]
        count = min(
            _parts(term.operator, len(some)) for term, some in zip(seen, chosen, strict=True)
        )
        if count == 1:
            return [self]
        generator = torch.Generator().manual_seed(seed)
        shuffled = [some[torch.randperm(len(some), generator=generator)] for some in chosen]
        parts = []
        for k in range(count):
            some = [every[k::count].sort().values for every in shuffled]
            part = LeastSquares.of(replace(problem, terms=seen), some)
            shares = [len(few) / len(every) for few, every in zip(some, chosen, strict=True)]
            precisions = [p * share for p, share in zip(part.precisions, shares, strict=True)]
            parts.append(replace(part, precisions=precisions))
        return parts

    def _squared(self, x: Tensor) -> Iterator[Tensor]:
        """The weighted squared residuals of each term, precision |A x - y|²."""
        for a, target, precision in zip(self.maps, self.targets, self.precisions, strict=True):
            yield precision * (a(x) - target).abs().square()

    def value(self, x: Tensor) -> float:
        """Compute the weighted sum of squares of an image, a scalar.

        Args:
            x: (*grid.shape, channels) image.

        Returns:
            The value of the class's formula.
        """
        return sum(0.5 * float(squared.sum()) for squared in self._squared(x))

    def misfits(self, x: Tensor) -> Tensor:
        """Compute each row's share of the value, times the number of rows of its term.

        Args:
            x: (*grid.shape, channels) image.

        Returns:
            (Σ_t b_t,) values ½ precision |residual|² b_t, whose mean is `value` for one term.
        """
        parts = []
        for squared in self._squared(x):
            if squared.ndim > 1:
                squared = squared.flatten(1).sum(1)
            parts.append(0.5 * squared * len(squared))
        return torch.cat(parts)

    def whitened(self, x: Tensor) -> list[Tensor]:
        """Apply the maps, scaled so that all residuals count alike: sqrt(precision) A x.

        Args:
            x: (*grid.shape, channels) image.

        Returns:
            (b_t, *m) values, one tensor per term.
        """
        return [p.sqrt() * a(x) for a, p in zip(self.maps, self.precisions, strict=True)]

    def adjoint(self, residuals: Sequence[Tensor]) -> Tensor:
        """Apply the adjoint of `whitened`.

        Args:
            residuals: (b_t, *m) values, one tensor per term.

        Returns:
            (*grid.shape, channels) image.
        """
        parts = [
            a.adjoint(p.sqrt() * r)
            for a, p, r in zip(self.maps, self.precisions, residuals, strict=True)
        ]
        return torch.stack(parts).sum(0)

    def data(self) -> list[Tensor]:
        """The scaled targets that `whitened` is to match, sqrt(precision) y: one per term."""
        return [p.sqrt() * t for t, p in zip(self.targets, self.precisions, strict=True)]

    def norm(self, iterations: int = 30) -> float:
        """Compute the largest singular value of the stacked whitened maps by power iteration.

        It is computed once: whoever tries several weights asks for it with each.

        Args:
            iterations: Number of iterations.

        Returns:
            The norm of `whitened`.

        Raises:
            ValueError: The maps see nothing at all.
        """
        if iterations in self._norms:
            return self._norms[iterations]
        zeros = self.maps[0].zeros()
        generator = torch.Generator().manual_seed(0)
        start = torch.randn(zeros.shape, dtype=zeros.dtype, generator=generator).to(zeros)
        found = largest_singular_value(lambda x: self.adjoint(self.whitened(x)), start, iterations)
        if found == 0:
            raise ValueError(
                "LeastSquares: A x is zero for every image x. "
                "Do the measurements look at the problem's box?"
            )
        self._norms[iterations] = found
        return found


def _parts(operator: Operator, rows: int) -> int:
    """The number of parts in which an operator's rows are best seen."""
    if not isinstance(operator, HasBatch) or operator.batch is None:
        return 1
    return max(1, round(rows / operator.batch))


def back_projection(problem: Problem, rows: Sequence[Tensor]) -> Tensor:
    """Compute -dD/dx at the empty image, the first image that the measurements suggest.

    For least squares this is A'W y, with the weights W. Fidelities that name no least squares of
    their own are replaced by plain least squares: at the empty image the slope of `fidelity.L1` has
    the signs of the measurements alone, and that of spectrograms is nearly zero.

    Args:
        problem: The problem.
        rows: (b_t,) indices of the measurements to use, one tensor per term.

    Returns:
        (*grid.shape, channels) image.
    """
    dtype = _image_dtype(problem, problem.terms[0])
    shape = (*problem.grid.shape, problem.channels)
    image = torch.zeros(shape, dtype=dtype, device=problem.device, requires_grad=True)
    loss = torch.zeros((), device=problem.device)
    for term, chosen in zip(problem.terms, rows, strict=True):
        seen = on_grid(term.operator, problem.grid, problem.device)
        with evaluating(seen):
            field = SampledField(image, problem.grid)
            fidelity = term.fidelity
            if not isinstance(fidelity, HasLeastSquares):
                fidelity = L2()
            asked = replace(term, operator=seen, fidelity=fidelity)
            loss = loss + term.weight * asked.loss(field, chosen)
    return -torch.autograd.grad(loss, image)[0]


def _image_dtype(problem: Problem, term: Term) -> torch.dtype:
    """The precision of the term's measurements, complex where the field is."""
    real = term.y.dtype.to_real()
    if problem.is_complex:
        return real.to_complex()
    return real
