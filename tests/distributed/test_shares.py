"""The arithmetic by which a list is divided between processes, and becomes the list again."""

import pytest
import torch

from inverse_inr import distributed
from inverse_inr.distributed.shares import in_order, share, slab

SIZES = [(count, world) for world in (1, 2, 3, 7) for count in (1, 2, 5, 6, 7, 20)]


@pytest.mark.parametrize(("count", "world"), SIZES)
def test_shares_of_equal_length_make_the_list_again(count, world):
    values = torch.arange(count) * 10
    parts = torch.stack([values[share(count, rank, world)] for rank in range(world)])
    assert torch.equal(in_order(parts, count), values)


def test_rows_are_strided():
    assert share(6, 1, 3).tolist() == [1, 4]


@pytest.mark.parametrize(("layers", "world"), SIZES)
def test_slabs_make_the_lattice_again(layers, world):
    thick = -(-layers // world)
    parts = []
    for rank in range(world):
        start, count = slab(layers, rank, world)
        assert 1 <= count <= thick
        assert start + count <= layers
        part = torch.full((thick,), -1)
        part[:count] = torch.arange(start, start + count)
        parts.append(part)
    assert torch.cat(parts)[:layers].tolist() == list(range(layers))


def test_one_process_is_alone():
    ranks = distributed.current()
    assert ranks.world == 1
    assert ranks.first
    assert ranks.from_first(3) == 3


def test_a_process_of_its_own_starts_nothing(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with distributed.started() as ranks:
        assert ranks.world == 1
    assert not torch.distributed.is_initialized()
