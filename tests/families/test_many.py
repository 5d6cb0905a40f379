"""Fits of one start, mixtures of fields, aligned weights, gradients of samples."""

import copy
import itertools

import pytest
import torch
from cases.families.bumps import BOX, SMALL, bump_problem, bump_problems

import inverse_inr as ii
from inverse_inr import priors
from inverse_inr.families import (
    activations,
    aligned,
    between,
    fisher_diagonal,
    fit_many,
    sample_gradients,
    weights_of,
)
from inverse_inr.stopping import Never

POINTS = BOX.random_points(40, generator=torch.Generator().manual_seed(0))


def siren(seed: int = 0, **changes: object) -> priors.Prior:
    return priors.siren(BOX, **{**SMALL, "seed": seed, **changes})


def test_many_fits_are_the_fits_one_by_one() -> None:
    """The batched loop of Adam is the solver's own, problem by problem, to rounding."""
    problems = bump_problems(3)
    together = fit_many(problems, siren(), steps=20)
    for problem, solution in zip(problems, together, strict=True):
        alone = ii.Solver(problem, siren(), steps=20, stopping=Never(every=20)).run()
        torch.testing.assert_close(solution.sample(), alone.sample(), rtol=1e-2, atol=2e-3)
        assert solution.steps == 20


def test_many_fits_leave_the_start_as_it_is() -> None:
    start = siren()
    before = weights_of(start)
    fits = fit_many(bump_problems(2), start, steps=3)
    assert torch.equal(weights_of(start), before)
    assert all(not torch.equal(weights_of(fit.field), before) for fit in fits)


def test_fits_of_one_start_are_nearer_than_those_of_two() -> None:
    first, second = fit_many(bump_problems(2), siren(), steps=30)
    (other,) = fit_many([bump_problem(1)], siren(seed=5), steps=30)
    near = (weights_of(first.field) - weights_of(second.field)).norm()
    far = (weights_of(first.field) - weights_of(other.field)).norm()
    assert near < 0.5 * far


def test_the_ends_of_a_mixture_are_its_fields() -> None:
    first, second = siren(0), siren(1)
    for fraction, field in ((0.0, first), (1.0, second)):
        torch.testing.assert_close(between(first, second, fraction)(POINTS), field(POINTS))
    mean = 0.5 * (weights_of(first) + weights_of(second))
    torch.testing.assert_close(weights_of(between(first, second, 0.5)), mean)


def test_what_is_no_pair_is_not_mixed() -> None:
    with pytest.raises(ValueError, match="two architectures: network"):
        between(siren(), siren(width=8), 0.5)
    elsewhere = priors.siren(ii.Box((0.0, 0.0), (1.0, 1.0)), **SMALL)
    with pytest.raises(ValueError, match="two boxes"):
        between(siren(), elsewhere, 0.5)


def shuffled(field: priors.Prior, seed: int, *, signs: bool = True) -> priors.Prior:
    """The same field with units in another order and of other signs, by hand."""
    generator = torch.Generator().manual_seed(seed)
    made = copy.deepcopy(field)
    maps = [layer.linears[0] for layer in made.network.layers] + [made.network.head]
    with torch.no_grad():
        for before, after in itertools.pairwise(maps):
            width = len(before.bias)
            order = torch.randperm(width, generator=generator)
            flips = torch.ones(width)
            if signs:
                flips = 2.0 * torch.randint(2, (width,), generator=generator) - 1
            before.weight.copy_(flips[:, None] * before.weight[order])
            before.bias.copy_(flips * before.bias[order])
            after.weight.copy_(flips * after.weight[:, order])
    return made


def test_alignment_undoes_an_exchange_of_units_and_signs() -> None:
    field = siren()
    other = shuffled(field, 3)
    torch.testing.assert_close(other(POINTS), field(POINTS), atol=1e-5, rtol=1e-4)
    assert (weights_of(other) - weights_of(field)).norm() > 1
    back = aligned(other, field)
    torch.testing.assert_close(weights_of(back), weights_of(field))
    torch.testing.assert_close(back(POINTS), field(POINTS), atol=1e-5, rtol=1e-4)


def test_alignment_does_not_flip_what_is_not_odd() -> None:
    field = priors.gaussian(BOX, width=16, depth=2)
    other = shuffled(field, 3, signs=False)
    back = aligned(other, field)
    torch.testing.assert_close(weights_of(back), weights_of(field))


def test_alignment_changes_no_value_of_a_field_that_differs() -> None:
    field = siren(4)
    back = aligned(field, siren(0))
    torch.testing.assert_close(back(POINTS), field(POINTS), atol=1e-5, rtol=1e-4)
    before = (weights_of(field) - weights_of(siren(0))).norm()
    assert (weights_of(back) - weights_of(siren(0))).norm() < before


def test_alignment_refuses_what_is_no_mlp() -> None:
    with pytest.raises(TypeError, match="'grid' is no MLP"):
        aligned(priors.grid(BOX, cells=4.0), priors.grid(BOX, cells=4.0))


def test_gradients_of_samples_are_those_of_autograd() -> None:
    field = siren()
    targets = torch.randn(len(POINTS), 1, generator=torch.Generator().manual_seed(1))
    found = sample_gradients(field, POINTS, targets)
    for k in (0, 17):
        loss = 0.5 * (field(POINTS[k]) - targets[k]).square().sum()
        slopes = torch.autograd.grad(loss, list(field.parameters()))
        for (name, _), slope in zip(field.named_parameters(), slopes, strict=True):
            torch.testing.assert_close(found[name][k], slope)
    fisher = fisher_diagonal(field, POINTS, targets)
    for name, value in fisher.items():
        torch.testing.assert_close(value, found[name].square().sum(0))
    with pytest.raises(ValueError, match=r"targets of shape \(39, 1\) do not match"):
        sample_gradients(field, POINTS, targets[1:])


def test_activations_lead_to_the_value() -> None:
    field = siren()
    seen = activations(field, POINTS)
    assert [tuple(h.shape) for h in seen] == [(40, 16), (40, 16)]
    torch.testing.assert_close(field.network.head(seen[-1]), field(POINTS))
    with pytest.raises(TypeError, match="'grid' has no layers"):
        activations(priors.grid(BOX, cells=4.0), POINTS)
