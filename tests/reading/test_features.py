"""Weights, codes and heat maps as rows; fusion with embeddings of the user's own."""

import numpy as np
import pytest
import torch
from cases.families.bumps import BOX, GRID, SMALL, bump_problems, trained

from inverse_inr import priors, reading
from inverse_inr.families import Modulated, train, weights_of


def siren(seed: int, **changes: object) -> priors.Prior:
    return priors.siren(BOX, **{**SMALL, "seed": seed, **changes})


def renumbered(field: priors.Prior) -> priors.Prior:
    """The same field with the units of its first layer in reverse, and their signs changed."""
    made = siren(0)
    made.load_state_dict(field.state_dict())
    first, second = (layer.linears[0] for layer in made.network.layers)
    with torch.no_grad():
        first.weight.copy_(-first.weight.flip(0))
        first.bias.copy_(-first.bias.flip(0))
        second.weight.copy_(-second.weight.flip(1))
    return made


def test_weights_are_rows_less_the_start():
    start, fields = siren(0), [siren(1), siren(2)]
    rows = reading.weight_features(fields, start)
    expected = torch.stack([weights_of(f) - weights_of(start) for f in fields])
    np.testing.assert_allclose(rows, expected.numpy(), rtol=1e-6)


def test_renumbered_units_are_another_row_and_the_same_when_aligned():
    field = siren(1)
    other = renumbered(field)
    plain = reading.weight_features([field, other])
    assert np.abs(plain[0] - plain[1]).max() > 0.1
    rows = reading.weight_features([field, other], align=True)
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)


def test_heat_maps_do_not_know_the_numbers_and_signs_of_units():
    field = siren(1)
    maps = reading.heat_maps([field, renumbered(field)], GRID)
    assert maps.shape == (2, 2, *GRID.shape)
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-5)


def test_a_heat_map_is_the_mean_modulus_of_a_layer():
    field = siren(3)
    x = BOX.normalize(GRID.points())
    linear = field.network.layers[0].linears[0]
    with torch.no_grad():
        first = field.network.layers[0](field.encoding(x))
    expected = first.abs().mean(-1)
    assert linear.weight.shape[0] == first.shape[-1]
    maps = reading.heat_maps([field], GRID, layers=[0])
    np.testing.assert_allclose(maps[0, 0], expected.numpy(), atol=1e-6)


def test_codes_are_the_family_s_own():
    family = Modulated("siren", SMALL, code=3, inner_steps=2)
    family = train(family, bump_problems(3), steps=2, callbacks=[])
    rows = reading.code_features(family, bump_problems(2))
    for row, problem in zip(rows, bump_problems(2), strict=True):
        np.testing.assert_allclose(row, family.code(problem).values.numpy(), rtol=1e-4, atol=1e-6)


def test_fused_rows_have_norm_one_in_each_block():
    rng = np.random.default_rng(0)
    first, second = rng.random((4, 2, 3)), torch.tensor(1e6 * rng.random((4, 5)))
    rows = reading.fused([first, second], weights=[1.0, 0.5])
    assert rows.shape == (4, 11)
    np.testing.assert_allclose(np.linalg.norm(rows[:, :6], axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows[:, 6:], axis=1), 0.5, rtol=1e-6)
    alone = reading.fused([first[:1], second[:1]], weights=[1.0, 0.5])
    np.testing.assert_allclose(rows[:1], alone)


@pytest.mark.parametrize(
    ("blocks", "weights", "error", "words"),
    [
        ([np.ones((4, 2)), np.ones((3, 2))], None, ValueError, r"blocks\[1\] has 3 rows"),
        ([], None, ValueError, "the list of blocks is empty"),
        ([np.ones((4, 2))], [1.0, 2.0], ValueError, "1 blocks and 2 weights"),
        ([np.full((4, 2), np.nan)], None, ValueError, "holds NaN or Inf"),
        ([np.ones(4)], None, ValueError, "2-D"),
        ([["a", "b"]], None, TypeError, "no array of numbers"),
    ],
)
def test_blocks_that_do_not_fit_are_refused(blocks, weights, error, words):
    with pytest.raises(error, match=words):
        reading.fused(blocks, weights)


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ([], ValueError, "the list of fields is empty"),
        ([siren(0), siren(0, width=8)], ValueError, "two architectures"),
        ([torch.nn.Linear(2, 1)], TypeError, "each a Prior or a Solution"),
    ],
)
@pytest.mark.parametrize("reads", [reading.weight_features, lambda f: reading.heat_maps(f, GRID)])
def test_fields_that_do_not_fit_are_refused(reads, fields, error, words):
    with pytest.raises(error, match=words):
        reads(fields)


def test_a_layer_that_is_not_there_is_refused():
    with pytest.raises(IndexError, match="has the layers 0 to 1"):
        reading.heat_maps([siren(0)], GRID, layers=[2])


def test_no_problems_have_no_codes():
    with pytest.raises(ValueError, match="the list of problems is empty"):
        reading.code_features(Modulated("siren", SMALL), [])


def test_tokens_hold_every_weight_once():
    """The sum of squares of the tokens is that of the moves of all weights and biases."""
    family = trained()
    tasks = family.tasks(bump_problems(2))
    own = family.states(tasks, learning=False)
    tokens = reading.weight_tokens(family.known, own)
    width = SMALL["width"]
    assert tokens.shape == (2, 2 * width + 1, width + 1)
    moves = sum(
        (own[name] - p).square().flatten(1).sum(1) for name, p in family.known.named_parameters()
    )
    torch.testing.assert_close(tokens.square().sum((1, 2)), moves)
