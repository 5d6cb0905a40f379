"""A fitted field's weights in a file, and back."""

from __future__ import annotations

import json
from pathlib import Path

from torch import nn

from inverse_inr.domain import Box
from inverse_inr.io.files import atomic_write
from inverse_inr.ranges import checked


@checked
def save_field(field: nn.Module, path: str | Path) -> None:
    """Write weights as safetensors.

    A prior of the catalogue carries its recipe and its box, so that `load_field` needs nothing
    else.

    Args:
        field: The module whose `state_dict` is written.
        path: The file, which is written whole or not at all.
    """
    from safetensors.torch import save

    from inverse_inr.priors import Prior

    metadata = {}
    if isinstance(field, Prior):
        box = {"lower": field.box.lower, "upper": field.box.upper, "units": field.box.units}
        metadata = {
            "name": field.recipe.name,
            "options": json.dumps(field.recipe.options),
            "box": json.dumps(box),
        }
    tensors = {name: value.cpu().contiguous() for name, value in field.state_dict().items()}
    # not `save_file`, which gives its file the mode 0600 whatever the user's umask says
    with atomic_write(path) as temporary:
        temporary.write_bytes(save(tensors, metadata=metadata))


@checked
def load_field(path: str | Path) -> nn.Module:
    """Read the catalogue prior that `save_field` wrote.

    Args:
        path: The safetensors file.

    Returns:
        The prior with its weights, in evaluation mode.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is incomplete, of another kind, or holds no recipe of a catalogue
            prior; or a folder is named.
    """
    from safetensors import SafetensorError, safe_open

    from inverse_inr.priors import create

    if Path(path).is_dir():
        raise ValueError(
            f"load_field: {path} is a folder; name the file, {Path(path) / 'field.safetensors'}."
        )
    if not Path(path).is_file():
        raise FileNotFoundError(f"load_field: there is no file {path}.")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            names = file.keys()
            state = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(f"{path} is no complete safetensors file: {error}.") from None
    if not {"name", "options", "box"} <= metadata.keys():
        raise ValueError(
            f"{path} holds weights but not the recipe of a catalogue prior; load them by hand."
        )
    try:
        box = Box(**{k: tuple(v) for k, v in json.loads(metadata["box"]).items()})
        prior = create(metadata["name"], box, **json.loads(metadata["options"]))
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} holds the recipe of no prior here: {error}") from None
    try:
        prior.load_state_dict(state)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path} holds the weights of another prior: {error}") from None
    return prior.eval()
