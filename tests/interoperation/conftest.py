"""deepinv beside a torch without CUDA: its torchvision is built for CUDA and does not import."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import torch


def _declare_torchvision_operators() -> torch.library.Library | None:
    """Declare the names of torchvision's compiled operators, none of which deepinv calls.

    Its compiled part cannot load beside a CPU build, and its Python part only asks for the names.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None or hasattr(torch.ops.torchvision, "nms"):
        return None
    text = (Path(found.origin).parent / "_meta_registrations.py").read_text()
    names = {*re.findall(r'register_fake\("torchvision::(\w+)"\)', text)}
    names |= {*re.findall(r'@register_meta\("(\w+)"\)', text)}
    library = torch.library.Library("torchvision", "DEF")
    for name in sorted(names):
        library.define(f"{name}(Tensor x) -> Tensor")
    return library


@pytest.fixture(scope="session")
def dinv() -> Any:
    """The library deepinv, or a skip where it is not installed."""
    if importlib.util.find_spec("deepinv") is None:
        pytest.skip("deepinv is not installed (it wants torchvision)")
    kept = _declare_torchvision_operators()
    import deepinv

    deepinv.kept = kept
    return deepinv
