"""Denoisers: what takes noise out of an image, by name, by own functions, by networks.

    D(x, sigma),   x (*shape, channels),   sigma in the unit of x

`as_denoiser` makes one of a name ("tv", "wavelets", "nonlocal_means", "collaborative",
"patch_gaussians", "trained", "bm3d"), of any function of (x, sigma), or of a network that is called
so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from inverse_inr.denoisers.block_matching import BM3D as BM3D
from inverse_inr.denoisers.collaborative import CollaborativeFilter as CollaborativeFilter
from inverse_inr.denoisers.denoiser import CheckedDenoiser as CheckedDenoiser
from inverse_inr.denoisers.denoiser import Denoiser as Denoiser
from inverse_inr.denoisers.denoiser import OwnDenoiser as OwnDenoiser
from inverse_inr.denoisers.networks import Network as Network
from inverse_inr.denoisers.nonlocal_means import NonLocalMeans as NonLocalMeans
from inverse_inr.denoisers.patch_gaussians import PatchGaussians as PatchGaussians
from inverse_inr.denoisers.planes import by_planes as by_planes
from inverse_inr.denoisers.total_variation import TotalVariation as TotalVariation
from inverse_inr.denoisers.total_variation import proximal_tv as proximal_tv
from inverse_inr.denoisers.trained import TrainedNetwork as TrainedNetwork
from inverse_inr.denoisers.unet import UNet as UNet
from inverse_inr.denoisers.wavelets import WaveletShrinkage as WaveletShrinkage
from inverse_inr.ranges import checked
from inverse_inr.registry import Registry

registry = Registry(
    "denoiser",
    "inverse_inr.denoisers",
    {
        "tv": TotalVariation,
        "wavelets": WaveletShrinkage,
        "nonlocal_means": NonLocalMeans,
        "bm3d": BM3D,
        "collaborative": CollaborativeFilter,
        "patch_gaussians": PatchGaussians,
        "trained": TrainedNetwork,
    },
)
"""The denoisers by name, those of installed plug-ins among them."""


@checked
def as_denoiser(
    denoiser: str | nn.Module | Callable[[Tensor, float], Tensor], **options: Any
) -> CheckedDenoiser:
    """Make a denoiser of a name, a function or a network.

    Args:
        denoiser: A name, for which "my_file.py:name" serves too; a function of x, (*shape,
            channels), and sigma, in the unit of x; or a `torch.nn.Module` of stacks (b, channels,
            h, w), as those of deepinv are, which becomes a `Network`.
        **options: Options of a denoiser by name, or of `Network`.

    Returns:
        The denoiser, which checks what goes in and out.

    Raises:
        ValueError: The name or an option is unknown, or options are given for a function.

    Example:
        >>> as_denoiser("tv", iterations=50)
        TotalVariation(strength=0.85, iterations=50, tolerance=0.003)
        >>> as_denoiser(lambda x, sigma: x / (1 + sigma**2)).name
        '<lambda>'
    """
    if isinstance(denoiser, str):
        found = registry.get(denoiser)
        if not isinstance(found, type):
            return as_denoiser(found, **options)
        return registry.call(denoiser, **options)
    if isinstance(denoiser, nn.Module):
        return Network(denoiser, **options)
    if options:
        raise ValueError(
            f"as_denoiser: options {sorted(options)} are of a denoiser by name or of a network; "
            "a function has none."
        )
    if isinstance(denoiser, CheckedDenoiser):
        return denoiser
    return OwnDenoiser(denoiser)
