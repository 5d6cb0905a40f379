"""07: From k-space to image."""

from collections.abc import Callable

import torch
from torch import Tensor

from exercises import exercise, require, require_near


@exercise
def first(answer: float) -> None:
    """How much faster the scan is."""
    require(answer != 4, "One in four only of the lines outside of the middle.")
    require_near(
        float(answer), 80 / 35, 0.1, "All lines over those kept: 20 and a quarter of the other 60."
    )


@exercise
def second(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """What a shift of the image does to its k-space."""
    draw = torch.Generator().manual_seed(0)
    frequency = 5 * torch.randn(40, 2, generator=draw, dtype=torch.float64)
    shift = torch.tensor([0.3, -0.2], dtype=torch.float64)
    expected = torch.exp(-2j * torch.pi * (frequency @ shift))
    found = answer(frequency, shift)
    require(torch.as_tensor(found).is_complex(), "A phase: complex numbers of modulus 1.")
    require(
        found.shape == expected.shape,
        f"One number for each k: {tuple(expected.shape)}, not {tuple(found.shape)}.",
    )
    require(
        not torch.allclose(found, expected.conj()),
        "The sign: put f(x - shift) into the integral, and substitute.",
    )
    require(torch.allclose(found, expected), "exp(-2πi k·shift), with k in cycles per unit.")
