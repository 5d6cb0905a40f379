"""Several fields of one architecture, evaluated together."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.evaluation import Field
from inverse_inr.priors import Prior

State = dict[str, Tensor]
"""Parameters by name, each with a first axis of one entry per field."""


class Fields:
    """Several fields that differ in some parameters of one prior and share the others.

    Args:
        template: The prior, whose own parameters are those that the fields share.
        own: The parameters in which the fields differ, (fields, *shape) each.
        boxes: The box of each field. The prior sees the same normalised coordinates on all.
    """

    def __init__(self, template: Prior, own: State, boxes: Sequence[Box]) -> None:
        self.template = template
        self.own = own
        self.boxes = list(boxes)

    def __len__(self) -> int:
        return len(self.boxes)

    def __call__(self, points: Tensor) -> Tensor:
        """Evaluate all fields.

        Args:
            points: (n, d) physical coordinates for all, or (fields, n, d).

        Returns:
            (fields, n, channels).
        """
        if len(self) == 1:
            # without vmap: chunks can be computed again in the backward pass
            return self.one(0)(points.reshape(-1, points.shape[-1]))[None]
        shared = points.ndim == 2
        if shared and len(set(self.boxes)) > 1:
            points = points.expand(len(self), *points.shape)
            shared = False
        if shared:
            points = self._placed(points, self.boxes[0])
            return torch.func.vmap(self._evaluated, in_dims=(0, None))(self.own, points)
        placed = [self._placed(p, box) for p, box in zip(points, self.boxes, strict=True)]
        return torch.func.vmap(self._evaluated)(self.own, torch.stack(placed))

    def one(self, number: int) -> Field:
        """Give one of the fields, as operators may ask it.

        Args:
            number: Its index.

        Returns:
            A function of points (*s, d), with values (*s, channels).
        """
        state = {name: values[number] for name, values in self.own.items()}
        box = self.boxes[number]
        return lambda points: self._evaluated(state, self._placed(points, box))

    def _evaluated(self, state: State, points: Tensor) -> Tensor:
        found = torch.func.functional_call(self.template, state, (points,))
        assert isinstance(found, Tensor)
        return found

    def _placed(self, points: Tensor, box: Box) -> Tensor:
        """The points of a box at the same places of the template's box."""
        points = points.to(
            self.template.lower.device, next(iter(self.own.values())).dtype.to_real()
        )
        if box == self.template.box:
            return points
        return self.template.box.denormalize(box.normalize(points))


def stacked(template: Prior, count: int) -> State:
    """Repeat a prior's parameters, so that gradients of each copy are known and flow to it.

    Args:
        template: The prior.
        count: Number of copies.

    Returns:
        (count, *shape) for each parameter.
    """
    return {n: p.expand(count, *p.shape) for n, p in template.named_parameters()}


def field_of(template: Prior, state: State, box: Box) -> Prior:
    """Make an ordinary prior of one field's parameters, on a box of its own.

    Args:
        template: The prior whose architecture it gets, and whose parameters where `state` says
            nothing.
        state: Parameters by name, without an axis of fields.
        box: The box of the new field.

    Returns:
        A prior that any solver takes. Its recipe gives the bandwidth in the unit of its own box.

    Raises:
        ValueError: The prior is laid out on the shape of its box, and this one has another.
    """
    made = copy.deepcopy(template)
    ratio = box.scale[0] / template.box.scale[0]
    lower, upper = (torch.tensor(v, dtype=torch.float64) for v in (box.lower, box.upper))
    kept = {n: v.detach().clone() for n, v in state.items()}
    for name, value in kept.items():
        # an image that the field is given may have other pixels than the family's first
        module, _, own = name.rpartition(".")
        if value.shape != made.get_parameter(name).shape:
            setattr(made.get_submodule(module), own, nn.Parameter(value))
    made.load_state_dict({**template.state_dict(), **kept, "lower": lower, "upper": upper})
    if box.units != made.box.units:
        made.box = Box(box.lower, box.upper, box.units)
    if ratio != 1:
        made.bandwidth = template.bandwidth * ratio
        options = dict(template.recipe.options)
        if options.get("bandwidth") is not None:
            options["bandwidth"] = options["bandwidth"] * ratio
        made.recipe = replace(template.recipe, options=options)
    for parameter in made.parameters():
        parameter.requires_grad_(True)
    return made
