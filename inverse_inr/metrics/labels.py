"""Overlap of label maps: Dice and intersection over union, class by class."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from inverse_inr.ranges import Range, checked

Classes = Annotated[int, Range(least=2, most=10_000)]
"""Number of classes of a label map, the background included."""


def checked_labels(name: str, which: str, labels: Tensor, classes: int) -> Tensor:
    """Check a label map and bring it to the CPU as whole numbers.

    Args:
        name: Who asks, for the message.
        which: What the map is, for the message.
        labels: Whole numbers from 0 to classes - 1, of any shape.
        classes: Number of classes.

    Returns:
        The labels, int64.

    Raises:
        TypeError: It is no tensor of whole numbers.
        ValueError: It is empty, or a label lies outside the classes.
    """
    if not isinstance(labels, Tensor):
        raise TypeError(
            f"{name}: {which} must be a tensor, got {type(labels).__name__}; torch.from_numpy(...)?"
        )
    if labels.is_floating_point() or labels.is_complex():
        raise TypeError(
            f"{name}: {which} must hold whole numbers, got {labels.dtype}; .long(), or argmax(-1) "
            "of probabilities?"
        )
    if not labels.numel():
        raise ValueError(f"{name}: {which} is empty, of shape {tuple(labels.shape)}.")
    found = labels.detach().cpu().long()
    least, most = int(found.min()), int(found.max())
    if least < 0 or most >= classes:
        raise ValueError(
            f"{name}: {which} hold values from {least} to {most}, and there are {classes} classes, "
            f"0 to {classes - 1}. Are the classes counted from 1, or is 255 a border?"
        )
    return found


def _counts(name: str, labels: Tensor, reference: Tensor, classes: int) -> tuple[Tensor, ...]:
    """Numbers of pixels of each class, (classes,): in both, in `labels`, in `reference`."""
    labels = checked_labels(name, "labels", labels, classes)
    reference = checked_labels(name, "reference", reference, classes)
    if labels.shape != reference.shape:
        raise ValueError(
            f"{name}: labels have shape {tuple(labels.shape)} and the reference "
            f"{tuple(reference.shape)}. Labels of another grid?"
        )
    pairs = torch.bincount((labels * classes + reference).flatten(), minlength=classes**2)
    table = pairs.reshape(classes, classes).double()
    return table.diagonal(), table.sum(1), table.sum(0)


@checked
def dice(labels: Tensor, reference: Tensor, *, classes: Classes) -> Tensor:
    """Compute the Dice coefficient 2 |A ∩ B| / (|A| + |B|) of each class.

    Args:
        labels: Label map, whole numbers from 0 to classes - 1.
        reference: The true map, of the same shape.
        classes: Number of classes.

    Returns:
        (classes,) in float64; NaN for a class that neither of the maps holds. `dice(...)[1:]`
        leaves out a background of class 0.

    Raises:
        TypeError: A map holds no whole numbers.
        ValueError: The shapes differ, or a label lies outside the classes.

    Source:
        Dice 1945.
    """
    both, own, other = _counts("dice", labels, reference, classes)
    return 2 * both / (own + other)


@checked
def iou(labels: Tensor, reference: Tensor, *, classes: Classes) -> Tensor:
    """Compute the intersection over union |A ∩ B| / |A ∪ B| of each class.

    Args:
        labels: Label map, whole numbers from 0 to classes - 1.
        reference: The true map, of the same shape.
        classes: Number of classes.

    Returns:
        (classes,) in float64; NaN for a class that neither of the maps holds.

    Raises:
        TypeError: A map holds no whole numbers.
        ValueError: The shapes differ, or a label lies outside the classes.

    Source:
        Jaccard 1912.
    """
    both, own, other = _counts("iou", labels, reference, classes)
    return both / (own + other - both)
