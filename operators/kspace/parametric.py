"""Tissue maps seen through a pulse sequence: signals from maps, then the operator of the images.

y_j = A_j( S_j(maps) )        S_j: the signal equation at echo j
"""

from __future__ import annotations

from torch import Tensor, nn

from inverse_inr import Operator, Query, flatten, unflatten
from inverse_inr.hooks import Shaped
from inverse_inr.operators.kspace.sequences import Sequence
from inverse_inr.ranges import checked


class ThroughSequence(nn.Module):
    """An operator of images, asked for the images that a sequence makes of tissue maps.

    The field has the sequence's channels, and the inner operator sees one channel for each echo:
    `CartesianKSpace(grid, masks, coils, basis=torch.eye(images))` has a mask of samples for each
    echo, `NonCartesianKSpace` a basis that says which echo a sample belongs to, and
    `operators.PointSamples` the images themselves.

    Args:
        operator: The operator of images, one channel each.
        sequence: The signal equation.
    """

    @checked
    def __init__(self, operator: Operator, sequence: Sequence) -> None:
        super().__init__()
        self.operator = operator
        self.sequence = sequence
        self.eval()

    @property
    def shape(self) -> tuple[int, ...]:
        """Natural shape of the inner operator, or (rows,) where it has none."""
        if isinstance(self.operator, Shaped):
            return tuple(self.operator.shape)
        return (len(self.operator),)

    def __len__(self) -> int:
        return len(self.operator)

    def forward(self, rows: Tensor) -> Query:
        """Look where the inner operator looks, and show it the signals of what is there."""
        points, measure = self.operator(rows)
        return Query(points, lambda maps: measure(self.sequence(maps)))

    def flatten(self, y: Tensor) -> Tensor:
        """Lay measurements of the natural shape flat: (*shape, *m) -> (rows, *m)."""
        return flatten(self, y)

    def unflatten(self, y: Tensor) -> Tensor:
        """Give flat measurements their natural shape: (rows, *m) -> (*shape, *m)."""
        return unflatten(self, y)
