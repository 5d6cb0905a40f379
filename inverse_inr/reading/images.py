"""Images as problems: the measurements are the pixels, and the operator looks at their centres."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from inverse_inr.compose import OnGrid
from inverse_inr.domain import Grid, pixel_grid
from inverse_inr.fidelity import L2, Fidelity
from inverse_inr.problem import Problem
from inverse_inr.ranges import checked
from inverse_inr.term import Term


def same(image: Tensor) -> Tensor:
    """Give an image as it is: the map of an operator that sees every pixel."""
    return image


@checked
def image_problems(
    images: Sequence[Tensor] | Tensor, grid: Grid | None = None, fidelity: Fidelity | None = None
) -> list[Problem]:
    """Make a problem of each image, which measures its pixels.

    All share one operator, so that a family looks at all of them in one batch.

    Args:
        images: (*grid.shape) each, or (*grid.shape, c), real; also one tensor with an axis more.
        grid: The lattice of the pixels; None for one in units of pixels.
        fidelity: The distance D(prediction, y); None for L2.

    Returns:
        A problem for each image.

    Raises:
        TypeError: Something else than tensors of real numbers is given.
        ValueError: There are no images, they differ in shape, or they are of another grid.
    """
    images = list(images)
    if not images:
        raise ValueError("image_problems: the list of images is empty.")
    for k, image in enumerate(images):
        if not isinstance(image, Tensor) or not image.is_floating_point():
            kind = image.dtype if isinstance(image, Tensor) else type(image).__name__
            raise TypeError(
                f"image_problems: images[{k}] must be a tensor of real numbers, got {kind}; "
                "torch.as_tensor(image).float()?"
            )
        if image.shape != images[0].shape:
            raise ValueError(
                f"image_problems: images[{k}] has shape {tuple(image.shape)} and images[0] "
                f"{tuple(images[0].shape)}. One list has images of one shape."
            )
    shape = tuple(images[0].shape)
    if grid is None:
        if len(shape) not in (1, 2, 3):
            raise ValueError(
                f"image_problems: images of shape {shape}; without a grid they have 1 to 3 axes "
                "and one channel."
            )
        grid = pixel_grid(shape)
    if shape[: grid.ndim] != grid.shape or len(shape) - grid.ndim not in (0, 1):
        raise ValueError(
            f"image_problems: images of shape {shape} are not on the grid of shape {grid.shape}; "
            "one axis of channels may follow."
        )
    channels = 1 if len(shape) == grid.ndim else shape[-1]
    operator = OnGrid(same, grid, grid.shape)
    made = []
    for image in images:
        y = image.detach().reshape(grid.numel, channels)
        if channels == 1:
            y = y[:, 0]
        term = Term(operator, y, fidelity or L2())
        made.append(Problem([term], grid.box, grid, channels, average=1))
    return made
