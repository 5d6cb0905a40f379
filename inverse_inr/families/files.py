"""A family in one file: its recipe and its weights, which loads without code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box, Grid
from inverse_inr.families.amortized import Amortized
from inverse_inr.families.conditioned import Conditioned
from inverse_inr.families.encoders import encoder_of
from inverse_inr.families.family import Family
from inverse_inr.families.generated import Generated
from inverse_inr.families.linear import LinearEstimate
from inverse_inr.families.meta_learned import MetaLearned
from inverse_inr.families.modulated import Modulated
from inverse_inr.io.files import FileFormatError, atomic_write, existing_file
from inverse_inr.priors import create
from inverse_inr.ranges import checked

KINDS: dict[str, type[Family]] = {
    kind.kind: kind for kind in (MetaLearned, Modulated, Generated, Conditioned)
}
"""Families by the name that a file has for them."""


@checked
def save(family: Family, path: str | Path) -> None:
    """Write a trained family as one safetensors file with its recipe and a digest.

    Args:
        family: The family.
        path: The file, which is written whole or not at all.

    Raises:
        ValueError: The family is not trained.
    """
    from safetensors.torch import save as as_bytes

    template = family.known
    assert family.made_of is not None
    assert family.grid is not None
    recipe = {
        "family": family.kind,
        "options": family.recipe(),
        "prior": {"name": family.made_of.name, "options": family.made_of.options},
        "box": _of_box(template.box),
        "grid": {**_of_box(family.grid.box), "shape": family.grid.shape},
        "complex": family.is_complex,
    }
    text = json.dumps(recipe, sort_keys=True)
    tensors = {name: value.detach().contiguous() for name, value in family.state_dict().items()}
    metadata = {"recipe": text, "digest": _digest(text, tensors)}
    with atomic_write(path) as temporary:
        temporary.write_bytes(as_bytes(tensors, metadata=metadata))


@checked
def load(path: str | Path, *, encoder: nn.Module | None = None) -> Family:
    """Read a family that `save` wrote. Nothing in the file is executed.

    Args:
        path: The file.
        encoder: The encoder, where it was a module of the user's own: its weights are read.

    Returns:
        The family, in evaluation mode.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is cut or altered, or holds no family.
        ValueError: The encoder was a module of the user's own, and none is given, or another one.
    """
    from safetensors import SafetensorError, safe_open

    found = existing_file(path, "a family of fields, a safetensors file")
    try:
        with safe_open(found, "pt") as file:
            metadata = file.metadata() or {}
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise FileFormatError(
            f"{path}: expected a family of fields, found no complete safetensors file: {error}."
        ) from None
    if "recipe" not in metadata or "digest" not in metadata:
        raise FileFormatError(
            f"{path}: expected a family of fields, found a safetensors file without the recipe of "
            "one. A field's weights? `load_field` reads those."
        )
    if _digest(metadata["recipe"], tensors) != metadata["digest"]:
        raise FileFormatError(
            f"{path}: the family in it was altered: its values do not match the digest."
        )
    recipe = json.loads(metadata["recipe"])
    if recipe["family"] not in KINDS:
        raise FileFormatError(f"{path}: no kind of family here is called {recipe['family']!r}.")
    return _made(path, recipe, tensors, encoder)


def _made(
    path: str | Path, recipe: Mapping[str, Any], tensors: Mapping[str, Tensor], encoder: Any
) -> Family:
    """The family of a recipe, with its weights."""
    kind = KINDS[recipe["family"]]
    options = dict(recipe["options"])
    if issubclass(kind, Amortized):
        if options["encoder"] is not None:
            options["encoder"] = encoder_of(options["encoder"])
        elif encoder is None:
            raise ValueError(
                f"families.load: the encoder of {path} was a module of the user's own; pass it: "
                "load(path, encoder=...)."
            )
        else:
            options["encoder"] = encoder
    if options.get("base") is not None:
        options["base"] = LinearEstimate.empty(options["base"]["shape"])
    box = recipe["box"]
    grid = Grid(_box(recipe["grid"]), tuple(recipe["grid"]["shape"]))
    prior = create(recipe["prior"]["name"], _box(box), **recipe["prior"]["options"])
    family = kind(**options).laid_out(prior, grid, 1.0, recipe["complex"])
    try:
        family.load_state_dict(dict(tensors))
    except (RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())[:200]
        raise ValueError(f"families.load: {path} holds other weights: {text}") from None
    return family.eval()


def _of_box(box: Box) -> dict[str, Any]:
    return {"lower": box.lower, "upper": box.upper, "units": box.units}


def _box(told: Mapping[str, Any]) -> Box:
    return Box(tuple(told["lower"]), tuple(told["upper"]), tuple(told["units"]))


def _digest(recipe: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(recipe.encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
