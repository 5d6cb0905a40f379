"""Learnable fields: `create("siren", box)` or `siren(box)`; presets are data over shared parts.

A preset joins an encoding, an activation and a topology to a box. Each lives in the file of its
family, beside the activation or the structure that is its own. `names()` lists the catalogue, entry
points of the group `inverse_inr.priors` included.

The folders hold what is too large for a family's file: `blocks/` (trees of blocks that move),
`frames/` (whole frames of a video), `functions/` (functions with exact derivatives, sums of
Gaussians), `lattices/` (features on lattices), `means/` (a known mean and what it leaves),
`moving/` (what is displaced over time), `networks/` (networks that are no MLP), `sines/` (sines
whose period or shape varies).
"""

from __future__ import annotations

import inspect
from typing import Any

from inverse_inr.domain import Box, Grid
from inverse_inr.priors.bandlimited import pin, raised_cosine, sinc
from inverse_inr.priors.blocks import acorn
from inverse_inr.priors.conditioned import cosmo, incode
from inverse_inr.priors.features import fourier, relu
from inverse_inr.priors.frames import hinerv, hnerv, nerv
from inverse_inr.priors.grids import grid, hash
from inverse_inr.priors.linear import linear_parameters
from inverse_inr.priors.means import offset
from inverse_inr.priors.mixed import mixed
from inverse_inr.priors.mixture import gaussian_mixture
from inverse_inr.priors.moving import deformed
from inverse_inr.priors.multiplicative import bacon, fourier_net, gabor_net
from inverse_inr.priors.networks.stacked import functional
from inverse_inr.priors.periodic import siren
from inverse_inr.priors.phased import phased
from inverse_inr.priors.planes import planes, tensor
from inverse_inr.priors.polynomial import fkan, sl2a
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.pyramid import miner
from inverse_inr.priors.radial import (
    exp_sine,
    gaussian,
    laplacian,
    multi_quadratic,
    quadratic,
    super_gaussian,
)
from inverse_inr.priors.reparameterized import fr
from inverse_inr.priors.separable import separable
from inverse_inr.priors.sines.learnt_shape import hosc, staf
from inverse_inr.priors.sines.variable_period import finer, finer_plus
from inverse_inr.priors.spectral import spectral_basis
from inverse_inr.priors.state import Recipe
from inverse_inr.priors.wavelets import wire
from inverse_inr.registry import Registry

_PRESETS = (
    acorn,
    bacon,
    cosmo,
    deformed,
    exp_sine,
    finer,
    finer_plus,
    fkan,
    fourier,
    fourier_net,
    fr,
    gabor_net,
    gaussian,
    gaussian_mixture,
    grid,
    hash,
    hinerv,
    hnerv,
    hosc,
    incode,
    laplacian,
    miner,
    mixed,
    multi_quadratic,
    nerv,
    offset,
    phased,
    pin,
    planes,
    quadratic,
    raised_cosine,
    relu,
    separable,
    sinc,
    siren,
    sl2a,
    spectral_basis,
    staf,
    super_gaussian,
    tensor,
    wire,
)
registry = Registry("prior", "inverse_inr.priors", {preset.__name__: preset for preset in _PRESETS})
"""All presets by name; plug-ins join by the entry point group `inverse_inr.priors`."""


def names() -> list[str]:
    """List the names of all presets, plug-ins included."""
    return registry.names()


def create(name: str, box: Box, channels: int = 1, **native: Any) -> Prior:
    """Make the prior called `name` on `box`.

    Args:
        name: A name of the catalogue, or "my_file.py:name" for a preset in a file.
        box: Where the field lives, in physical units.
        channels: Values of the field at each point.
        **native: The preset's own keywords (see `help(inverse_inr.priors.siren)`).

    Returns:
        The prior, untrained.

    Raises:
        ValueError: For an unknown name or keyword; the message names the nearest valid one.
        TypeError: What the name stands for is no preset: it does not take box and channels.
    """
    parameters = inspect.signature(registry.get(name)).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if "channels" not in parameters and not takes_any:
        raise TypeError(
            f"prior {name!r} takes ({', '.join(parameters)}), but a preset is called with "
            "(box, channels=..., ...). Write a function that makes the module from these."
        )
    return registry.call(name, box, channels=channels, **native)


def bandwidth_of(grid: Grid) -> float:
    """Give the finest Nyquist frequency of a grid, which is the default bandwidth of a fit.

    Args:
        grid: The grid of the problem.

    Returns:
        Cycles per unit of the box's first axis.
    """
    scale = grid.box.scale
    return scale[0] * max(f / s for f, s in zip(grid.nyquist, scale, strict=True))


__all__ = [
    "Prior",
    "Recipe",
    "acorn",
    "bacon",
    "bandwidth_of",
    "cosmo",
    "create",
    "deformed",
    "exp_sine",
    "finer",
    "finer_plus",
    "fkan",
    "fourier",
    "fourier_net",
    "fr",
    "functional",
    "gabor_net",
    "gaussian",
    "gaussian_mixture",
    "grid",
    "hash",
    "hinerv",
    "hnerv",
    "hosc",
    "incode",
    "laplacian",
    "linear_parameters",
    "miner",
    "mixed",
    "multi_quadratic",
    "names",
    "nerv",
    "offset",
    "phased",
    "pin",
    "planes",
    "quadratic",
    "raised_cosine",
    "registry",
    "relu",
    "separable",
    "sinc",
    "siren",
    "sl2a",
    "spectral_basis",
    "staf",
    "super_gaussian",
    "tensor",
    "wire",
]
