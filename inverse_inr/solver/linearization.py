"""What one step may ask of the objective: the loss, its gradient, or its linearisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inverse_inr.evaluation import Field, Memo
from inverse_inr.fidelity import at_rows, curvature, decorrelated
from inverse_inr.optimizers import Linearized
from inverse_inr.protocol import ask
from inverse_inr.regularizers import HasResiduals
from inverse_inr.solver.objective import Objective
from inverse_inr.solver.seeds import seeded
from inverse_inr.term import Term


class Step:
    """The objective on the rows and random numbers of one step.

    Args:
        objective: The objective.
        rows: For each term, (b,) indices of the measurements of this step.
        points: Draws the points that regularizers see.
        seed: Seed of the run.
        number: Number of the step: every evaluation sees the same random numbers.
        device: The device of the prior.
        evaluate: What computes the parts of the loss whose gradients count, the objective or what
            stands for it (`Ranks.reduced`); None for the objective.
        parameters: The tensors that get gradients; None for the objective's parameters.

    Attributes:
        parts: (parts,) weighted parts of the loss as last evaluated with a gradient.
    """

    def __init__(
        self,
        objective: Objective,
        rows: Sequence[Tensor],
        points: Callable[[], Tensor],
        seed: int,
        number: int,
        device: torch.device,
        evaluate: Callable[..., Tensor] | None = None,
        parameters: Sequence[Tensor] | None = None,
    ) -> None:
        self.objective = objective
        self._evaluate = evaluate or objective
        self.rows = rows
        self.points = points
        self.seed = seed
        self.number = number
        self.device = device
        if parameters is None:
            parameters = list(objective.parameters())
        self._parameters = parameters
        self.parts = torch.zeros(0)

    def __call__(self) -> Tensor:
        """Compute the loss and fill the gradients."""
        with seeded(self.seed, self.number, self.device):
            points = self.points()
            for parameter in self._parameters:
                parameter.grad = None
            self.parts = self._evaluate(self.rows, points)
            loss = self.parts.sum()
            loss.backward()
        return loss

    def loss(self) -> Tensor:
        """Compute the loss alone."""
        with seeded(self.seed, self.number, self.device), torch.no_grad():
            return self.objective(self.rows, self.points()).sum()

    def linearized(self) -> Linearized:
        """Evaluate the loss, its outputs and their curvatures, recorded."""
        with seeded(self.seed, self.number, self.device):
            self.parts, found = linearized(self.objective, self.rows, self.points())
        return found


def linearized(
    objective: Objective, rows: Sequence[Tensor], points: Tensor
) -> tuple[Tensor, Linearized]:
    """Evaluate an objective together with the outputs by which it depends on the parameters.

    Args:
        objective: The objective.
        rows: For each term, (b,) indices of the measurements to compare.
        points: (n, d) points of the box that regularizers see.

    Returns:
        The weighted parts of the loss, as the objective gives them, and the linearisation.
    """
    field: Field = Memo(objective.prior, objective.chunk, objective.products)
    outputs: list[Tensor] = []
    weights: list[Tensor] = []
    seen: list[Tensor] = []
    for term, chosen in zip(objective.terms, rows, strict=True):
        prediction = ask(term.operator, field, chosen, objective.chunk)
        seen.append(prediction)
        output, weight = _whitened(term, chosen, prediction)
        outputs.append(output)
        weights.append(weight)
    for factor, part in objective.parts:
        if isinstance(part, HasResiduals):
            for output, weight in part.residuals(field, points):
                outputs.append(output)
                weights.append(factor * weight)
    parts = objective.of_predictions(seen, rows, field, points)
    return parts, Linearized(parts.sum(), outputs, [w.detach() for w in weights])


def _whitened(term: Term, rows: Tensor, prediction: Tensor) -> tuple[Tensor, Tensor]:
    """The prediction as uncorrelated noise sees it, and the curvatures of its fidelity there."""
    y = term.y[rows.to(term.y.device)]
    whiten, fidelity = decorrelated(term.fidelity, rows)
    if whiten is None:
        return prediction, term.weight * curvature(at_rows(term.fidelity, rows), prediction, y)
    output = whiten(prediction)
    return output, term.weight * curvature(fidelity, output, whiten(y))
