"""Channels by name: several heads on one trunk, of which an instrument sees one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from inverse_inr.evaluation import Field
from inverse_inr.protocol import Operator, Predicts, Query
from inverse_inr.ranges import Count, checked


@checked
@dataclass(frozen=True)
class Channels:
    """Names of the channels of one field, e.g. Channels({"intensity": 1, "labels": 5}).

    A prior of `total` channels is one trunk with a head for each. `see` lets an operator see one of
    them, so that a `Problem` measures intensities alone, and its target labels too.

    Args:
        sizes: Number of channels of each name, in order.

    Raises:
        ValueError: There are none.

    Source:
        Vyas et al. 2025 (MetaSeg): intensities and labels on one trunk.
    """

    sizes: Mapping[str, Count]

    def __post_init__(self) -> None:
        if not self.sizes:
            raise ValueError('Channels: sizes is empty; {"intensity": 1, "labels": 5} names two.')

    @property
    def total(self) -> int:
        """The number of channels of the field."""
        return sum(self.sizes.values())

    def at(self, name: str) -> slice:
        """Give the place of a name among the channels.

        Args:
            name: The name.

        Raises:
            ValueError: There is no such name.
        """
        first = 0
        for known, size in self.sizes.items():
            if known == name:
                return slice(first, first + size)
            first += size
        raise ValueError(f"Channels: no channel is called {name!r}; there are {[*self.sizes]}.")

    def of(self, values: Tensor, name: str) -> Tensor:
        """Take the channels of a name from values (*s, total).

        Args:
            values: The field's values.
            name: The name.

        Returns:
            (*s, size).

        Raises:
            ValueError: There is no such name, or the values have another number of channels.
        """
        place = self.at(name)
        if values.shape[-1] != self.total:
            raise ValueError(
                f"Channels: the field has {values.shape[-1]} channels, and the names "
                f"{dict(self.sizes)} are of {self.total}. "
                f"Problem(..., channels={self.total})?"
            )
        return values[..., place]

    def see(self, operator: Operator, name: str) -> Operator:
        """Let an operator see the channels of a name alone.

        Args:
            operator: An operator of fields with as many channels as the name has.
            name: The name.

        Returns:
            An operator of the whole field.

        Raises:
            ValueError: There is no such name.
        """
        self.at(name)
        if isinstance(operator, Predicts):
            return _Asking(operator, self, name)
        return _Seeing(operator, self, name)


class _Seeing(nn.Module):
    """An operator behind a choice of channels."""

    def __init__(self, operator: Operator, channels: Channels, name: str) -> None:
        super().__init__()
        self.operator = operator
        self.channels = channels
        self.name = name

    def __len__(self) -> int:
        return len(self.operator)

    def forward(self, rows: Tensor) -> Query:
        points, measure = self.operator(rows)
        return Query(points, lambda values: measure(self.channels.of(values, self.name)))


class _Asking(_Seeing):
    """The same of an operator that asks the field by itself."""

    def predict(self, field: Field, rows: Tensor) -> Tensor:
        """Give the predictions (b, *m) of some rows."""
        assert isinstance(self.operator, Predicts)
        return self.operator.predict(
            lambda points: self.channels.of(field(points), self.name), rows
        )
