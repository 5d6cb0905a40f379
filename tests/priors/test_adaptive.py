"""Priors that adapt to measurements: composers of INCODE and COSMO, activations by layer."""

import pytest
import torch
from cases.network import make, points
from torch import Tensor, nn

from inverse_inr import Problem, Solver, Term, noise
from inverse_inr.priors.conditioned import Cosmo, Incode
from inverse_inr.priors.networks.composer import image_features
from inverse_inr.regularizers import PriorPenalty
from inverse_inr.selection import choose_activations
from inverse_inr.stopping import HeldOut

# --- conditioned networks -----------------------------------------------------------------------


def test_incode_without_a_composer_is_siren() -> None:
    prior = make("incode", omega0=9.0)
    plain = make("siren", omega0=9.0)
    network = prior.network
    assert isinstance(network, Incode)
    for linear in network.composer.maps:
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    plain.network.load_state_dict(network.network.state_dict())
    torch.testing.assert_close(prior(points()), plain(points()))


@pytest.mark.parametrize("name", ["incode", "cosmo"])
def test_composers_see_the_measurements_that_are_fitted_and_no_others(
    name: str, problem: Problem
) -> None:
    def features(y: Tensor) -> Tensor:
        term = Term(problem.terms[0].operator, y, noise.Gaussian(0.01))
        solver = Solver(Problem([term], problem.box, problem.grid), name, steps=1, seed=0)
        return solver.prior.network.composer.features.clone(), solver.watched_rows[0]

    y = problem.terms[0].y
    plain, watched = features(y)
    changed = y.clone()
    changed[watched] += 100
    assert plain.abs().max() > 0
    assert torch.equal(features(changed)[0], plain)
    assert not torch.equal(features(y.flip(0))[0], plain)
    # no unit, no scale: equal but for the rounding in float32 of what was divided by another number
    rounding = 1e-5 * float(plain.abs().max())
    torch.testing.assert_close(features(3 * y)[0], plain, rtol=1e-4, atol=rounding)


def test_image_features_tell_smooth_from_rough() -> None:
    generator = torch.Generator().manual_seed(0)
    rough = torch.randn(32, 32, 1, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(rough[None, ..., 0], 9, 1, 4)[0][..., None]
    assert image_features(rough)[-1] > image_features(smooth)[-1]
    assert torch.isfinite(image_features(torch.zeros(8, 8, 1))).all()


def test_incode_has_a_penalty_of_its_own() -> None:
    prior = make("incode")
    assert PriorPenalty()(prior, points()).item() == 0  # all numbers start positive
    for linear in prior.network.composer.maps:
        nn.init.zeros_(linear.weight)
    nn.init.constant_(prior.network.composer.maps[-1].bias, -2.0)
    expected = 2 * (0.1993 + 0.0196 + 0.0588 + 0.0269)
    assert PriorPenalty()(prior, points()).item() == pytest.approx(expected)


def test_a_prior_without_a_penalty_is_refused() -> None:
    with pytest.raises(TypeError, match="no penalty of its own"):
        PriorPenalty()(make("siren"), points())


def test_cosmo_keeps_its_layers_on_the_circle() -> None:
    z = torch.randn(50, 2 * 8)
    value = Cosmo(1.0, 0.3, project=True)(z, torch.tensor(0.3), torch.tensor(0.3))
    torch.testing.assert_close(torch.hypot(*value.chunk(2, -1)), torch.ones(50, 8))


# --- another activation in each layer -----------------------------------------------------------


def test_greedy_search_keeps_the_best_held_out_atom(problem: Problem) -> None:
    native = {"width": 16, "bandwidth": 4.0}
    solution = choose_activations(
        problem,
        ("sine", "gaussian", "sinc"),
        depth=2,
        native=native,
        steps=30,
        stopping=HeldOut(every=10),
    )
    scores = solution.details["held-out by sequence"]
    assert len(scores) == 6
    first = min((v, k) for k, v in scores.items() if ">" not in k)[1]
    assert solution.details["activations"][0] == first
    assert solution.held_out() == pytest.approx(min(v for k, v in scores.items() if ">" in k))
    assert solution.field.recipe.options["activations"] == tuple(solution.details["activations"])


def test_an_unknown_activation_offers_the_nearest(problem: Problem) -> None:
    with pytest.raises(ValueError, match=r"unknown activation 'sinus'.*'sin"):
        choose_activations(problem, ("sinus",))
