"""A detector that blurs and remembers: the scintillator's point-spread function and afterglow.

    I'_v = h * [ (1 - a) I_v + a (1 - d) Σ_k d^(k-1) I_(v-k) ]        I = exp(-p)

h is the point-spread function, a the part of the light that comes late, and d how much of it is
left from one view to the next. Light spreads and lingers, not its logarithm.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from inverse_inr import Operator
from inverse_inr.operators.ct.beam.around import Pitch, WholeViews, natural_shape
from inverse_inr.operators.optics.psf_base import PSF
from inverse_inr.ranges import Fraction, ProperFraction, Range, checked

FAINT = 1e-6
"""The least intensity that is told from none."""

Memory = Annotated[int, Range(least=1, most=1000)]
"""Views that a detector remembers; the light of more is long gone."""


class ScintillatorBlur(WholeViews):
    """An operator of logged intensities behind a scintillator that spreads light.

    Beyond its edges the detector sees what it sees at its edges.

    Args:
        operator: Predicts line integrals without unit, of shape (views, *detector).
        psf: A point-spread function of as many dimensions as the detector; what it learns (the
            width of a `psf.Gaussian` that is an `nn.Parameter`) is learnt.
        pitch: The width of a detector pixel in the unit of the point-spread function.

    Raises:
        ValueError: The point-spread function has another dimension than the detector.
    """

    @checked
    def __init__(self, operator: Operator, psf: PSF, pitch: Pitch = 1.0) -> None:
        shape = natural_shape(operator)
        super().__init__(operator, shape)
        if psf.ndim != len(shape) - 1:
            raise ValueError(
                f"ScintillatorBlur: the psf has {psf.ndim} dimensions and the detector of "
                f"{type(operator).__name__}, of shape {shape}, has {len(shape) - 1}."
            )
        self.psf = psf
        self.pitch = pitch

    def detect(self, views: Tensor, numbers: Tensor) -> Tensor:
        light = torch.exp(-views[:, 0])
        return -convolved(light, self.psf, self.pitch).clamp(min=FAINT).log()


class Afterglow(WholeViews):
    """An operator of logged intensities whose detector glows on after each view.

    Views are taken in the order of the rows. Both parameters are learnt, as logits.

    Args:
        operator: Predicts line integrals without unit, of shape (views, *detector).
        late: Part a of the light that comes late, where learning begins.
        decay: Part d of the late light that is left from one view to the next, where learning
            begins.
        memory: The views that are remembered.
    """

    @checked
    def __init__(
        self,
        operator: Operator,
        late: ProperFraction = 0.02,
        decay: ProperFraction = 0.5,
        memory: Memory = 8,
    ) -> None:
        super().__init__(operator, natural_shape(operator), memory)
        start = torch.tensor([late, decay], dtype=torch.get_default_dtype())
        self.logits = nn.Parameter(start.logit())

    @property
    def shares(self) -> Tensor:
        """(memory + 1,) shares of the light of this view and of those before it; their sum is 1."""
        late, decay = self.logits.sigmoid()
        powers = decay ** torch.arange(self.memory, device=decay.device)
        return torch.cat([1 - late[None], late * powers / powers.sum()])

    def detect(self, views: Tensor, numbers: Tensor) -> Tensor:
        light = torch.exp(-views)
        return -torch.einsum("k,nk...->n...", self.shares.to(light), light).log()


def convolved(light: Tensor, psf: PSF, pitch: float, part: Fraction = 0.5) -> Tensor:
    """Convolve images with a point-spread function by its transfer function.

    Args:
        light: (n, *detector) intensities, which go on beyond their edges as they are there.
        psf: The point-spread function.
        pitch: The width of a pixel in its unit.
        part: How far the images are continued at each edge, as a part of their size.

    Returns:
        (n, *detector).
    """
    axes = tuple(range(1, light.ndim))
    padded = light
    margins = []
    for axis in axes:
        count = light.shape[axis]
        margin = max(1, int(part * count))
        first = padded.narrow(axis, 0, 1)
        last = padded.narrow(axis, padded.shape[axis] - 1, 1)
        sizes = [1] * light.ndim
        sizes[axis] = margin
        padded = torch.cat([first.repeat(sizes), padded, last.repeat(sizes)], axis)
        margins.append((margin, count))
    frequencies = [
        torch.fft.fftfreq(padded.shape[axis], pitch, dtype=light.dtype, device=light.device)
        for axis in axes
    ]
    lattice = torch.stack(torch.meshgrid(*frequencies, indexing="ij"), -1)
    response = psf.transfer(lattice)
    spread = torch.fft.ifftn(torch.fft.fftn(padded, dim=axes) * response, dim=axes).real
    for axis, (margin, count) in zip(axes, margins, strict=True):
        spread = spread.narrow(axis, margin, count)
    return spread.to(light.dtype)
