"""Each kind of family gives ordinary priors, keeps its formula, and loads from a file."""

import copy
import json

import pytest
import torch
from cases.families.bumps import BOX, GRID, SMALL, bump_problem, bump_problems, small

from inverse_inr import Box, load_field, priors
from inverse_inr.families import (
    Code,
    Conditioned,
    Convolutions,
    Generated,
    MetaLearned,
    Modulated,
    between,
    load,
    save,
    train,
)
from inverse_inr.families.fields import Fields, stacked
from inverse_inr.families.tasks import losses
from inverse_inr.io.files import FileFormatError

ENCODER = Convolutions(features=4, depth=2)


def made(name: str):
    if name in ("shift", "film"):
        return small(Modulated, code=3, by=name)
    if name == "generated":
        return Generated(ENCODER, "siren", SMALL)
    if name == "generated, seeing":
        return Generated(ENCODER, "siren", SMALL, sees_image=True)
    if name == "conditioned":
        return Conditioned(ENCODER, "siren", SMALL)
    if name == "conditioned, offsets":
        return Conditioned(ENCODER, "siren", SMALL, offsets=True)
    return small(MetaLearned)


NAMES = ["meta-learned", "shift", "film", "generated", "conditioned", "generated, seeing"]
NAMES += ["conditioned, offsets"]


@pytest.fixture(scope="module")
def known():
    """Each kind after two steps."""
    return {name: train(made(name), bump_problems(4), steps=2, callbacks=[]) for name in NAMES}


def test_stacked_fields_are_the_fields_one_by_one() -> None:
    template = priors.siren(BOX, **SMALL)
    own = {n: p + 0.1 * torch.randn_like(p) for n, p in stacked(template, 3).items()}
    boxes = [BOX, Box((0.0, 0.0), (4.0, 4.0)), BOX]
    fields = Fields(template, own, boxes)
    points = torch.rand(3, 5, 2)
    together = fields(points)
    for k in range(3):
        torch.testing.assert_close(together[k], fields.one(k)(points[k]))


def test_one_step_of_plain_gradient_descent_is_what_it_says() -> None:
    """θ - α ∇D, with D without unit, by autograd of the library's own objective."""
    problem = bump_problem(5)
    family = small(MetaLearned, inner_steps=1, inner_lr=0.02).for_problems([problem])
    family.begin(family.tasks([problem]))
    found = family.start(problem)
    prior = copy.deepcopy(family.known)
    term = problem.terms[0]
    loss = term.loss(prior, term.trusted) / (0.5 * term.y.square().mean())
    slopes = torch.autograd.grad(loss, list(prior.parameters()))
    for (name, p), slope in zip(prior.named_parameters(), slopes, strict=True):
        torch.testing.assert_close(found.get_parameter(name), p - 0.02 * slope)


@pytest.mark.parametrize("order", [1, 2])
def test_the_outer_gradient_is_a_finite_difference(order) -> None:
    """Second order differentiates the whole path; first order takes the inner slopes as given."""
    problems = [bump_problem(k) for k in range(2)]
    family = small(MetaLearned, inner_steps=2, inner_lr=0.02, order=order)
    family = family.for_problems(problems).double()
    tasks = family.tasks(problems)
    family.begin(tasks)

    def outer() -> torch.Tensor:
        own = family.states(tasks, learning=True)
        return losses(tasks, family.fields(tasks, own)).sum()

    weight = family.known.get_parameter("network.head.weight")
    (slope,) = torch.autograd.grad(outer(), [weight])
    start = weight.detach().clone()
    values = []
    for step in (1e-5, -1e-5):
        weight.data[0, 0] = start[0, 0] + step
        values.append(outer().item())
    difference = (values[0] - values[1]) / 2e-5
    error = abs(float(slope[0, 0]) - difference) / abs(difference)
    assert (error < 1e-5) is (order == 2)


def test_a_shift_adds_to_the_pre_activations() -> None:
    problem = bump_problem(1)
    family = made("shift").for_problems([problem])
    z = torch.tensor([[0.3, -0.2, 0.5]])
    state = {n: v[0] for n, v in family.modulated(z).items()}
    points = torch.rand(7, 2)
    seen = torch.func.functional_call(family.known, state, (points,))
    h = BOX.normalize(points)
    shifts = (z @ family.modulation.T)[0].split(16)
    network = family.known.network
    for layer, shift in zip(network.layers, shifts, strict=True):
        linear = layer.linears[0]
        h = layer.activation(h @ linear.weight.T + linear.bias + shift)
    torch.testing.assert_close(seen, h @ network.head.weight.T + network.head.bias)


def test_film_scales_and_shifts_the_pre_activations() -> None:
    problem = bump_problem(1)
    family = made("film").for_problems([problem])
    z = torch.tensor([[0.3, -0.2, 0.5]])
    state = {n: v[0] for n, v in family.modulated(z).items()}
    points = torch.rand(7, 2)
    seen = torch.func.functional_call(family.known, state, (points,))
    h = BOX.normalize(points)
    parts = (z @ family.modulation.T)[0].split(16)
    network = family.known.network
    for layer, shift, scale in zip(network.layers, parts[:2], parts[2:], strict=True):
        linear = layer.linears[0]
        h = layer.activation((1 + scale) * (h @ linear.weight.T + linear.bias) + shift)
    torch.testing.assert_close(seen, h @ network.head.weight.T + network.head.bias)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_gives_the_same_family(known, name, tmp_path) -> None:
    family = known[name]
    path = tmp_path / "family.safetensors"
    save(family, path)
    again = load(path)
    problem = bump_problem(50)
    assert torch.equal(again.solve(problem).sample(), family.solve(problem).sample())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_training_reduces_the_loss_after_adaptation(name) -> None:
    from inverse_inr.families import Training

    training = Training(made(name), bump_problems(8), steps=30, every=1, lr=2e-3)
    training.run()
    values = [record["held-out tasks"] for record in training.history]
    assert min(values) < 0.7 * values[0]


@pytest.mark.parametrize("name", NAMES[:4])
def test_the_field_of_another_box_is_the_same_field_elsewhere(known, name) -> None:
    """A problem moved and stretched by 3 has the field moved and stretched by 3."""
    box = Box((2.0, 2.0), (8.0, 8.0))
    here = known[name].solve(bump_problem(7)).sample()
    there = known[name].solve(bump_problem(7, box=box))
    torch.testing.assert_close(there.sample(), here, rtol=1e-3, atol=1e-4)
    assert there.field.box == box


def test_a_field_of_a_family_is_saved_and_read_as_any_prior(known, tmp_path) -> None:
    box = Box((2.0, 2.0), (8.0, 8.0))
    solution = known["film"].solve(bump_problem(7, box=box))
    solution.save(tmp_path)
    field = load_field(tmp_path / "field.safetensors")
    points = box.random_points(5)
    torch.testing.assert_close(field(points), solution.field(points))


def test_a_code_makes_the_field_and_another_family_refuses_it(known) -> None:
    family = known["shift"]
    problem = bump_problem(9)
    code = family.code(problem)
    assert code.values.shape == (3,)
    points = BOX.random_points(6)
    torch.testing.assert_close(family.field(code)(points), family.start(problem)(points))
    other = train(made("shift"), bump_problems(2), steps=1, seed=1, callbacks=[])
    with pytest.raises(ValueError, match="this code belongs to the family"):
        other.field(code)
    with pytest.raises(ValueError, match="two families"):
        between(code, other.code(problem), 0.5)


def test_the_middle_of_two_codes_is_the_field_of_their_mean(known) -> None:
    family = known["shift"]
    first, second = (family.code(bump_problem(k)) for k in (1, 2))
    middle = between(first, second, 0.5)
    expected = Code(0.5 * (first.values + second.values), first.decoder, first.box)
    points = BOX.random_points(6)
    torch.testing.assert_close(family.field(middle)(points), family.field(expected)(points))


def test_cut_altered_and_foreign_files_are_refused(known, tmp_path) -> None:
    path = tmp_path / "family.safetensors"
    save(known["shift"], path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 9])
    with pytest.raises(FileFormatError, match="no complete safetensors file"):
        load(path)
    changed = bytearray(whole)
    changed[-5] ^= 1
    path.write_bytes(bytes(changed))
    with pytest.raises(FileFormatError, match="do not match the digest"):
        load(path)
    path.write_bytes(whole.replace(b'\\"complex\\": false', b'\\"complex\\":  true'))
    with pytest.raises(FileFormatError, match="do not match the digest"):
        load(path)
    known["shift"].solve(bump_problem(3)).save(tmp_path)
    with pytest.raises(FileFormatError, match="without the recipe of one"):
        load(tmp_path / "field.safetensors")
    with pytest.raises(FileNotFoundError, match="expected a family of fields"):
        load(tmp_path / "nothing.safetensors")


def test_an_encoder_of_ones_own_is_passed_to_load(tmp_path) -> None:
    def own() -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Conv2d(1, 3, 3, padding=1)

    problems = bump_problems(2)
    family = train(Generated(own(), "siren", SMALL), problems, steps=1, callbacks=[])
    save(family, tmp_path / "family.safetensors")
    with pytest.raises(ValueError, match="module of the user's own; pass it"):
        load(tmp_path / "family.safetensors")
    again = load(tmp_path / "family.safetensors", encoder=own())
    assert torch.equal(again.solve(problems[0]).sample(), family.solve(problems[0]).sample())


def test_a_prior_without_hidden_layers_has_nothing_to_modulate() -> None:
    with pytest.raises(ValueError, match="'grid' has no hidden layers"):
        Modulated("grid", {"cells": 4.0}).for_problems([bump_problem(0)])


def test_the_recipe_is_plain_text(known) -> None:
    for name in NAMES:
        assert json.loads(json.dumps(known[name].recipe())) == known[name].recipe()
    assert GRID.shape == (10, 10)
