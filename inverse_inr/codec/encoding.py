"""`encode` and `decode`: images and fitted fields as few bytes, by one of several methods."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from torch import Tensor

from inverse_inr.codec import coin, container, latent, wavelet
from inverse_inr.codec.latent.files import MAGIC as LATENT
from inverse_inr.codec.modulated import MAGIC as MODULATED
from inverse_inr.codec.modulated import decode_modulated, encode_modulated
from inverse_inr.codec.wavelet.files import MAGIC as WAVELET
from inverse_inr.domain import Grid, pixel_grid
from inverse_inr.families import Modulated
from inverse_inr.io.files import FileFormatError
from inverse_inr.priors import Prior
from inverse_inr.ranges import Count, FiniteTensor, Range, Seed, WholeNumber, checked
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Solution, interruptible

Bits = Annotated[float, Range(above=0, most=1e4)]
"""Bits per sample; no network needs thousands."""
STEPS = 2000
"""Steps where none are given."""
LATENT_STEPS = 40
"""Steps of the fit of latents where none are given."""


@checked
def encode(
    source: Solution | FiniteTensor,
    *,
    bits_per_sample: Bits,
    method: Literal["coin", "sparse", "wavelet", "latent", "modulated"] = "coin",
    grid: Grid | None = None,
    family: Modulated | None = None,
    steps: Count | None = None,
    finish: WholeNumber = 200,
    seed: Seed = 0,
) -> bytes:
    """Encode an image or a fitted field.

    "coin" codes the weights of a network. They are rounded to whole numbers of a step size for each
    tensor, chosen by how much the field feels it; the common factor is the finest that keeps the
    size. Then the weights learn on, with rounded values in the loss. The whole numbers are coded by
    an adaptive range coder.

    "sparse" writes the same weights as few columns of a random matrix that both sides can make, and
    does not finish. It is there to be compared: it needs more bits than "coin".

    "wavelet" codes an image of any number of axes, or a field's samples on the problem's grid, by
    coefficients of wavelets. Each is rounded by its error and by its bits, which a small network
    predicts from coefficients that are decoded before it.

    "latent" codes a picture of one to three channels, or a field's samples, by lattices of
    wavelets, a small network that mends what they make, and another one that predicts their
    distributions. All three are fitted to this picture by its error and its bits.

    "modulated" codes the few numbers by which a field of a family differs from the others. The
    family is not in the file: who decodes it has it already, and the file knows it by fingerprint.

    Args:
        source: A solution, or an image (*shape, c). "coin" wants a solution whose field is a prior
            of the catalogue, or any image, and so does "sparse". "wavelet" takes any real image,
            "latent" wants two axes, "modulated" those of the family.
        bits_per_sample: Most bits per pixel (or voxel, or sample in time) of the image, or of the
            solution's grid, all bytes counted.
        method: "coin", "sparse", "wavelet", "latent" or "modulated".
        grid: Where the samples of an image lie; None for a box in pixels.
        family: The family whose codes are coded ("modulated").
        steps: Steps of Adam for an image ("coin", "sparse"), of the fit of latents, or of Adam for
            a code after the family's own steps ("modulated"); None for 2000, or 40 for latents.
            They are shown, and the first Ctrl-C ends them; the file is then made of what is
            there.
        finish: Steps of Adam with rounded weights ("coin").
        seed: Seed of the network of an image ("coin", "sparse"), or of the choice of exchanges in a
            fit ("latent").

    Returns:
        The bytes, for `decode`.

    Raises:
        TypeError: The solution's field is no prior of the catalogue ("coin").
        ValueError: So few bits do not hold the image or the network; or the method cannot code it.

    Source:
        Dupont et al. 2021 (COIN, arXiv:2103.03123); Ladune et al. 2023 (Cool-chic,
        arXiv:2212.05458) and Kim et al. 2024 (C3, arXiv:2312.02753) for latents; SINR
        (arXiv:2503.19576) for the sparse code.
    """
    if isinstance(source, Tensor):
        grid = _grid_of_image(source, grid)
    elif grid is None:
        grid = source.problem.grid
    else:
        raise ValueError("encode: grid= is that of an image; a solution has its own.")
    if (family is not None) != (method == "modulated"):
        raise ValueError(
            f"encode: family= goes with method='modulated', and it with that; this is {method!r}."
        )
    if steps is None:
        steps = LATENT_STEPS if method == "latent" else STEPS
    most = math.floor(bits_per_sample * grid.numel / 8)
    # the first Ctrl-C ends the fit, and what follows it, and the file is made of what is there
    with interruptible():
        if family is not None:
            problem = (
                coin.problem_of(source, grid) if isinstance(source, Tensor) else source.problem
            )
            return encode_modulated(family, problem, most, steps)
        if method in ("coin", "sparse"):
            options = (bits_per_sample, steps, finish, seed)
            return coin.encode_coin(source, grid, *options, sparse=method == "sparse")
        image = source
        if isinstance(source, Solution):
            with torch.no_grad():
                image = source.sample(grid)
        assert isinstance(image, Tensor)
        if method == "latent":
            return latent.encode_latents(image, grid, most, steps, seed)
        return wavelet.encode_wavelet(image, grid, most)


@checked
def decode(data: bytes, *, family: Modulated | None = None) -> Prior | SampledField:
    """Read a field from its bytes.

    Args:
        data: What `encode` gave.
        family: The family of the code ("modulated").

    Returns:
        The field: a prior in evaluation mode ("coin"), whose weights are the same to the last bit
        on every machine; the samples as a field ("wavelet", "latent"), the same to the last bit
        too; or a prior ("modulated"), whose code is the same to the last bit.

    Raises:
        FileFormatError: The bytes are cut, altered, or none of a coded field.
        ValueError: The code is of a family that is not given, or of another one.
    """
    return _decoded(data, family)[0]


@checked
def decode_image(data: bytes, *, family: Modulated | None = None) -> Tensor:
    """Read the samples that were coded: the field on its grid.

    Args:
        data: What `encode` gave.
        family: The family of the code ("modulated").

    Returns:
        (*shape, c).

    Raises:
        FileFormatError: The bytes are cut, altered, or none of a coded field.
        ValueError: The code is of a family that is not given, or of another one.
    """
    field, grid = _decoded(data, family)
    if isinstance(field, SampledField):
        return field.values
    with torch.no_grad():
        return field.sample(grid)


@checked
def grid_of(data: bytes, *, family: Modulated | None = None) -> Grid:
    """Read the grid of the samples that were coded.

    Args:
        data: What `encode` gave.
        family: The family of the code ("modulated").

    Returns:
        The grid.

    Raises:
        FileFormatError: The bytes are cut, altered, or none of a coded field.
        ValueError: The code is of a family that is not given, or of another one.
    """
    return _decoded(data, family)[1]


def _decoded(data: bytes, family: Modulated | None) -> tuple[Prior | SampledField, Grid]:
    if data.startswith(WAVELET):
        field = wavelet.decode_wavelet(data)
        return field, field.grid
    if data.startswith(LATENT):
        field = latent.decode_latents(data)
        return field, field.grid
    if data.startswith(MODULATED):
        return decode_modulated(data, family)
    if data.startswith(container.MAGIC):
        return container.from_bytes(data)
    raise FileFormatError(
        f"codec: these bytes are no coded field: they begin with {data[:4]!r}, not with INR1, "
        "INRL, INRW or INRM. Another file?"
    )


def _grid_of_image(image: Tensor, grid: Grid | None) -> Grid:
    if image.ndim < 2 or not image.numel():
        raise ValueError(
            f"encode: an image has shape (*shape, c), this one {tuple(image.shape)}. A missing "
            "channel axis? Pass image[..., None]."
        )
    if grid is None:
        return pixel_grid(tuple(image.shape[:-1]))
    if grid.shape != tuple(image.shape[:-1]):
        raise ValueError(
            f"encode: the image has shape {tuple(image.shape)}, its grid {grid.shape}; expected "
            f"{(*grid.shape, 'channels')}."
        )
    return grid
