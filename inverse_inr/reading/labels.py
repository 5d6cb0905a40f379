"""Labels as measurements: one-hot rows, and the cross entropy of the logits of a field."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.metrics.labels import Classes, checked_labels
from inverse_inr.ranges import checked


@dataclass(frozen=True)
class CrossEntropy:
    """-Σ_c y_c ln softmax(p)_c of logits p, averaged over the places.

    Predictions and y are (b, classes); y holds the probabilities of the classes, one-hot where the
    label is known.
    """

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        return -(y * torch.log_softmax(prediction, -1)).sum(-1).mean()

    def check(self, y: Tensor) -> None:
        """Refuse measurements that are no probabilities.

        Args:
            y: (b, classes).

        Raises:
            ValueError: They are of another shape, negative, or do not sum to 1.
        """
        if y.ndim != 2 or bool((y < 0).any()) or bool(((y.sum(-1) - 1).abs() > 1e-4).any()):
            raise ValueError(
                f"CrossEntropy: y of shape {tuple(y.shape)} holds no probabilities (b, classes) "
                "that sum to 1; reading.one_hot(labels, grid, classes) makes them."
            )


@checked
def one_hot(labels: Tensor, grid: Grid, classes: Classes, name: str = "one_hot") -> Tensor:
    """Turn a label map into the rows that `CrossEntropy` compares with.

    Args:
        labels: (*grid.shape) whole numbers from 0 to classes - 1.
        grid: The lattice that they belong to.
        classes: Number of classes.
        name: Who asks, for the message.

    Returns:
        (pixels, classes) zeros and ones.

    Raises:
        TypeError: The labels are no whole numbers.
        ValueError: They are of another grid, or outside the classes.
    """
    found = checked_labels(name, "labels", labels, classes)
    if tuple(found.shape) != grid.shape:
        raise ValueError(
            f"{name}: labels of shape {tuple(found.shape)} are of another grid than the problem's, "
            f"whose shape is {grid.shape}."
        )
    return torch.nn.functional.one_hot(found.flatten(), classes).float()
