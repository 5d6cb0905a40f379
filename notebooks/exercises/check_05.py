"""05: What does noise change?"""

from collections.abc import Callable

import torch
from torch import Tensor

from exercises import exercise, require_near


@exercise
def first(answer: Callable[[Tensor, float], Tensor]) -> None:
    """The deviation of the logarithm of many photons."""
    p = torch.linspace(0, 3, 7)
    for photons in (100.0, 1e4):
        found = torch.as_tensor(answer(p, photons)) * photons**0.5
        require_near(found, (p / 2).exp(), 1e-4, "sqrt(rate) / rate, with rate = photons · e^-p.")


@exercise
def second(answer: Callable[[Tensor, Tensor, float, float], Tensor]) -> None:
    """The likelihood of counts with a background."""
    draw = torch.Generator().manual_seed(0)
    p = 3 * torch.rand(30, generator=draw, dtype=torch.float64)
    counts = torch.randint(0, 60, (30,), generator=draw).double()
    for photons, background in ((50.0, 5.0), (20.0, 1.0)):
        at = p.clone().requires_grad_()
        (found,) = torch.autograd.grad(torch.as_tensor(answer(at, counts, photons, background)), at)
        signal = photons * torch.exp(-p)
        expected = signal * (counts / (signal + background) - 1) / 30
        require_near(
            found,
            expected,
            1e-8,
            "Its slope in p is wrong: the mean of rate - N log(rate), with the background in it.",
        )
