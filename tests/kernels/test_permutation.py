"""Permutations without memory: one to one at every size, pure in the key, and well mixed."""

import pytest
import torch

from inverse_inr.kernels.permutation import permuted, permuted_by_blocks


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 17, 99, 1000, 4097])
@pytest.mark.parametrize("key", [0, 1, 2**62 + 12345])
def test_every_number_comes_once(count: int, key: int):
    found = permuted(torch.arange(count), count, key)
    torch.testing.assert_close(found.sort().values, torch.arange(count))


def test_a_place_holds_the_same_number_whoever_asks():
    whole = permuted(torch.arange(5000), 5000, 7)
    some = torch.tensor([[4999, 3], [17, 3]])
    torch.testing.assert_close(permuted(some, 5000, 7), whole[some])


def test_keys_give_other_orders():
    count = 10**4
    orders = [permuted(torch.arange(count), count, key) for key in range(5)]
    for a, first in enumerate(orders):
        for second in orders[:a]:
            assert int((first == second).sum()) < 20  # one is expected by chance


def test_neighbours_are_torn_apart():
    count = 10**5
    found = permuted(torch.arange(count), count, 3).double()
    lag = torch.corrcoef(torch.stack([found[:-1], found[1:]]))[0, 1]
    place = torch.corrcoef(torch.stack([found, torch.arange(count).double()]))[0, 1]
    assert abs(float(lag)) < 0.02
    assert abs(float(place)) < 0.02
    # each tenth of the places holds its share of each tenth of the numbers
    table = torch.histc(
        10 * (torch.arange(count) * 10 // count) + found // (count / 10), 100, 0, 100
    )
    assert float((table - count / 100).abs().max()) < 6 * (count / 100) ** 0.5


def test_very_large_rows_are_asked_at_few_places():
    count = 10**12 + 39
    found = permuted(torch.arange(10**4), count, 5)
    assert len(found.unique()) == 10**4
    assert int(found.min()) >= 0
    assert int(found.max()) < count
    assert float(found.double().mean()) == pytest.approx(count / 2, rel=0.05)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 31, 32, 33, 100, 1000])
@pytest.mark.parametrize("together", [1, 3])
def test_every_number_comes_once_block_by_block(count: int, together: int):
    found = permuted_by_blocks(torch.arange(count), count, 8, together, 5)
    torch.testing.assert_close(found.sort().values, torch.arange(count))
    some = torch.arange(count // 2, count)
    torch.testing.assert_close(permuted_by_blocks(some, count, 8, together, 5), found[some])


def test_blocks_come_in_groups_at_random_and_are_mixed_within_a_group():
    found = permuted_by_blocks(torch.arange(6400), 6400, 64, 5, 11)
    groups = (found // 64).reshape(-1, 5 * 64)
    met = [set(group.tolist()) for group in groups]
    assert all(len(each) == 5 for each in met)
    assert len(set.union(*met)) == 100
    # neither the blocks of a group nor the numbers within them stand in order
    assert sum(max(each) - min(each) > 10 for each in met) > 15
    assert all(len(set(group[:64].tolist())) > 2 for group in groups)
    other = permuted_by_blocks(torch.arange(6400), 6400, 64, 5, 12)
    assert int((other == found).sum()) < 100
