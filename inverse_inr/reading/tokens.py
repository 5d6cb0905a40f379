"""Weights as tokens: one of each hidden unit, and a small transformer that reads them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from inverse_inr.priors import Prior


def linear_maps(prior: Prior) -> list[str]:
    """Name the linear maps of a network, those with a weight (outputs, inputs) and a bias.

    Args:
        prior: The prior.

    Returns:
        The names before ".weight", in order.

    Raises:
        ValueError: There are none, or they are complex.
    """
    shapes = dict(prior.named_parameters())
    found = []
    for name, p in shapes.items():
        first, _, last = name.rpartition(".")
        bias = shapes.get(f"{first}.bias")
        if last == "weight" and p.ndim == 2 and bias is not None and bias.shape == p.shape[:1]:
            found.append(first)
    if not found or any(shapes[f"{name}.weight"].is_complex() for name in found):
        raise ValueError(
            f"weight_tokens: the prior {prior.name!r} has no real linear maps with a bias. "
            "Take one whose network is an MLP, e.g. 'siren'."
        )
    return found


def weight_tokens(start: Prior, own: Mapping[str, Tensor], scales: Tensor | None = None) -> Tensor:
    """Turn the weights of fields into tokens: each unit's row [W | b], less that of the start.

    Args:
        start: The start that the fields share.
        own: (fields, *shape) for each parameter, as `Family.states` gives them.
        scales: (maps,) by which the differences of each linear map are divided; None for 1.

    Returns:
        (fields, units, most inputs + 1); rows of maps with fewer inputs end in zeros.

    Source:
        Gielisse & van Gemert 2025 (MWT).
    """
    maps = linear_maps(start)
    if scales is None:
        scales = torch.ones(len(maps))
    state = dict(start.named_parameters())
    rows = []
    for name, scale in zip(maps, scales, strict=True):
        weight = own[f"{name}.weight"] - state[f"{name}.weight"]
        bias = own[f"{name}.bias"] - state[f"{name}.bias"]
        rows.append(torch.cat([weight, bias[..., None]], -1) / scale)
    width = max(row.shape[-1] for row in rows)
    return torch.cat([nn.functional.pad(row, (0, width - row.shape[-1])) for row in rows], 1)


class TokenReader(nn.Module):
    """A transformer that sees the weights of a field as tokens, and gives features and logits.

    Each unit has a learnt place of its own, because fields of one start share their units' meaning.

    Args:
        tokens: Number of tokens.
        inputs: Numbers of a token.
        classes: Number of classes.
        features: Numbers of a token inside the transformer, a multiple of 4.
        blocks: Number of blocks of attention, each with four heads.
        dropout: Fraction of numbers that each training step leaves out.
    """

    def __init__(
        self,
        tokens: int,
        inputs: int,
        classes: int,
        features: int,
        blocks: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, features)
        self.places = nn.Parameter(0.02 * torch.randn(tokens, features))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                features,
                4,
                2 * features,
                dropout,
                "gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(features)
        self.head = nn.Linear(features, classes)

    def pooled(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, tokens, inputs) to features (b, features)."""
        h = self.embed(tokens) + self.places
        for block in self.blocks:
            h = block(h)
        return self.norm(h).mean(1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, tokens, inputs) to logits (b, classes)."""
        return self.head(self.pooled(tokens))
