"""Total variation by a part of the rows at a time, for operators whose cost is that of the rows.

    min_x Σ_i ½‖K_i x - z_i‖² + λ mean |∇x|        K_i, z_i the whitened rows of part i

An update costs what one part costs, and ten parts reach the image of all rows in about a tenth of
the projections.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr.baselines.judge import Iterations
from inverse_inr.baselines.linear import brightness
from inverse_inr.kernels.slope_dual import SlopeDual
from inverse_inr.least_squares import LeastSquares
from inverse_inr.ranges import Positive, Seed, checked

NORM_MARGIN = 1.1
"""The norm of a part is taken this much larger than that of the first."""
ROUND = 20
"""Updates, of parts and of the penalty together, after which the step is balanced anew."""


class StochasticPrimalDual:
    """The stochastic primal-dual method, which goes on from one weight to the next.

    The dual variables are those of the parts and of the penalty. One of them, drawn at random, is
    updated and its change added to the sum that the image descends; the penalty's is drawn as often
    as those of all parts together, because a gradient costs little. Image and dual variables that
    one weight has reached are where the next begins.

    The image's step τ is balanced as the method goes on. The bound on what it has not reached yet
    is |x - x₀|² / τ + Σ_i |y_i|² / (σ_i p_i), where y_i is drawn with probability p_i and begins at
    zero; it is least at the τ that the distances so far call for.

    Args:
        parts: The data term as a sum of parts of about one size, their rows drawn at random.
        spacing: The distance of pixels along each axis, in the box's unit.
        image: (*shape, c), the image to begin with.
        nonnegative: Pixels must not be negative.
        seed: Decides the order.

    Source:
        Chambolle, Ehrhardt, Richtárik & Schönlieb 2018, algorithm 1 with serial sampling;
        Applegate et al. 2021 balance the steps by the distances.
    """

    @checked
    def __init__(
        self,
        parts: Sequence[LeastSquares],
        spacing: Sequence[Positive],
        image: Tensor,
        nonnegative: bool = False,
        seed: Seed = 0,
    ) -> None:
        self.parts = parts
        self.nonnegative = nonnegative
        self.size = max(brightness(image), 1e-12)
        # parts of one size drawn at random are alike, and their norms nearly so
        self.k_norm = NORM_MARGIN * parts[0].norm(10)
        self.d_norm = 2 * math.sqrt(sum(h**-2.0 for h in spacing))
        self._first = image / self.size
        self._x = self._first.clone()
        self._data = [[v / (self.k_norm * self.size) for v in part.data()] for part in parts]
        self._dual = [[torch.zeros_like(v) for v in some] for some in self._data]
        self._penalty = SlopeDual(image, [self.d_norm * h for h in spacing], radius=1.0)
        self._pull = torch.zeros_like(image)
        self._descent = torch.zeros_like(image)
        self._tau = 0.0
        self._generator = torch.Generator().manual_seed(seed)

    @checked
    def solve(self, weight: Positive, iterations: Iterations) -> Tensor:
        """Go on with one weight.

        Args:
            weight: λ.
            iterations: Number of updates of parts on average; as many are of the penalty.

        Returns:
            The image after the last update, (*shape, c).
        """
        count = len(self.parts)
        # of the dual ball, in units in which operators have norm 1 and the image has size 1
        radius = weight * self.d_norm / (self._x.numel() * self.k_norm**2 * self.size)
        radius = max(radius, 1e-12)
        before, self._pull = self._pull, self._penalty.resize(radius) * self._pull
        self._descent = ahead = self._descent + self._pull - before
        if self._tau == 0:
            # the step of `primal_dual_tv`, whose norm is that of all parts, divided by their number
            self._tau = (radius * 2 * count**3) ** -0.5
        drawn = torch.randint(2 * count, (2 * iterations,), generator=self._generator)
        for number, place in enumerate(drawn.tolist()):
            if number % ROUND == 0:
                self._balance()
            tau = self._tau
            self._x.sub_(ahead, alpha=tau)
            if self.nonnegative:
                self._x.clamp_(min=0)
            if place < count:
                added = self._update_part(place, 0.5 / (tau * count))
                rarity = 2.0 * count
            else:
                before, self._pull = self._pull, self._penalty.step(self._x, 0.5 / tau)
                added = self._pull - before
                rarity = 2.0
            self._descent.add_(added)
            ahead = self._descent.add(added, alpha=rarity)
        return self._x * self.size

    def _balance(self) -> None:
        """Let the step be nearer, halfway in its logarithm, to the one that the distances ask for.

        With σ_i p_i of a part 1 / (4 τ n²) and of the penalty 1 / (4 τ), the bound is least at
        τ = |x - x₀| / (2 √(n² Σ_i |y_i|² + |q|²)).
        """
        moved = float((self._x - self._first).norm())
        parts = sum(float(v.abs().square().sum()) for some in self._dual for v in some)
        dual = math.sqrt(len(self.parts) ** 2 * parts + self._penalty.squared_length())
        if moved > 0 and dual > 0:
            self._tau = math.sqrt(self._tau * moved / (2 * dual))

    def _update_part(self, place: int, sigma: float) -> Tensor:
        """Update the dual variable of a part, and return what that adds to the descent."""
        part = self.parts[place]
        old = self._dual[place]
        self._dual[place] = [
            (p + sigma * (s / self.k_norm - z)) / (1 + sigma)
            for p, s, z in zip(old, part.whitened(self._x), self._data[place], strict=True)
        ]
        change = [p - q for p, q in zip(self._dual[place], old, strict=True)]
        return part.adjoint(change) / self.k_norm
