"""Networks evaluated in pieces: the same values, gradients of any order, transforms, memory."""

import pytest
import torch

from inverse_inr import Box, priors
from inverse_inr.priors.networks import pieces

BOX = Box((-1.0, -1.0), (1.0, 1.0))
POINTS = BOX.random_points(70, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def double_prior(name: str) -> torch.nn.Module:
    prior = priors.create(name, BOX, width=16, depth=2).double()
    if prior.wants_data:
        prior.condition(torch.rand(16, 16, 1, generator=torch.Generator().manual_seed(1)))
    return prior


@pytest.mark.parametrize("name", ["siren", "wire", "incode"])
def test_pieces_give_the_values_and_gradients_of_the_whole(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    prior = double_prior(name)
    found = []
    for piece in (pieces.PIECE, 16 * 16):
        monkeypatch.setattr(pieces, "PIECE", piece)
        points = POINTS.clone().requires_grad_()
        values = prior(points)
        slope = torch.autograd.grad(values.sum(), points, create_graph=True)[0]
        curved = torch.autograd.grad(slope.square().sum(), [points, *prior.parameters()][:2])
        found.append([values, slope, *curved])
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(parts, whole)


def test_pieces_pass_through_the_transforms_of_torch_func(monkeypatch: pytest.MonkeyPatch):
    prior = double_prior("siren")
    state = {k: torch.stack([v, 2 * v]) for k, v in prior.named_parameters()}

    def called(values: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.func.functional_call(prior, values, (POINTS,))

    def squared(values: dict[str, torch.Tensor]) -> torch.Tensor:
        return called(values).square().sum()

    def results() -> list[torch.Tensor]:
        slopes = torch.vmap(torch.func.grad(squared))(state)
        return [torch.vmap(called)(state), *slopes.values()]

    whole = results()
    monkeypatch.setattr(pieces, "PIECE", 16 * 16)
    parts = results()
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(other, one)


def test_a_network_never_sees_more_points_than_a_piece_has(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pieces, "PIECE", 160)
    seen: list[int] = []

    def network(h: torch.Tensor) -> torch.Tensor:
        seen.append(len(h))
        return 2 * h

    h = torch.rand(5, 7, 3)
    torch.testing.assert_close(pieces.in_pieces(network, h, 16), 2 * h)
    assert seen == [10, 10, 10, 5]
