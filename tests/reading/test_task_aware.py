"""A start that is learnt together with the transformer that reads its fits."""

import numpy as np
import pytest
import torch
from cases.families.bumps import SMALL, bump_problem, bump_problems

from inverse_inr import families, reading
from inverse_inr.reading import teaching


def aware(**options: object) -> reading.TaskAware:
    return reading.TaskAware(2, "siren", SMALL, inner_steps=2, features=8, blocks=1, **options)


def sided(seeds: range) -> tuple[list, list[int]]:
    """Bumps, and whether their image is brighter in its first half."""
    problems = [bump_problem(seed) for seed in seeds]
    images = [p.terms[0].y.reshape(10, 10) for p in problems]
    return problems, [int(image[:5].sum() > image[5:].sum()) for image in images]


def test_a_training_ends_where_it_began_if_it_is_saved_and_read(tmp_path):
    problems, labels = sided(range(6))
    made = reading.train_classifier(aware(), problems, labels, steps=2, tasks=3, callbacks=[])
    families.save(made, tmp_path / "aware.safetensors")
    again = families.load(tmp_path / "aware.safetensors")
    assert isinstance(again, reading.TaskAware)
    np.testing.assert_array_equal(again.probabilities(problems), made.probabilities(problems))


def test_a_checkpoint_goes_on_to_the_same_family(tmp_path):
    problems, labels = sided(range(6))
    keywords = {"steps": 4, "tasks": 3, "every": 2, "seed": 1}
    whole = reading.train_classifier(aware(), problems, labels, **keywords, callbacks=[])
    training = teaching.ClassTraining(aware(), problems, labels, **keywords)
    training.run(2)
    resumed = teaching.ClassTraining(aware(), problems, labels, **keywords)
    resumed.load_state_dict(training.state_dict())
    np.testing.assert_array_equal(
        resumed.run().probabilities(problems), whole.probabilities(problems)
    )


def test_probabilities_features_and_tokens_are_rows():
    problems, labels = sided(range(5))
    made = reading.train_classifier(aware(), problems, labels, steps=1, callbacks=[])
    p = made.probabilities(problems)
    assert p.shape == (5, 2)
    np.testing.assert_allclose(p.sum(1), 1.0, rtol=1e-5)
    assert made.features(problems).shape == (5, 8)
    assert made.tokens(problems).shape == (5, 2 * SMALL["width"] + 1, SMALL["width"] + 1)
    one = made.probabilities(problems[3:4])
    np.testing.assert_allclose(one, p[3:4], atol=1e-5)


def test_the_cross_entropy_reaches_the_start():
    """With labels alone as a loss, the start moves: gradients pass the inner steps."""
    problems, labels = sided(range(4))
    training = teaching.ClassTraining(aware(share=1.0), problems, labels, steps=1)
    family = training.family
    tasks = family.tasks(problems)
    own = family.states(tasks, learning=True)
    loss = torch.nn.functional.cross_entropy(family.logits(own), torch.tensor(labels))
    loss.backward()
    # by the gradients of the inner steps alone: a token is the difference from the start
    slopes = [p.grad for p in family.known.parameters() if p.grad is not None]
    assert slopes
    assert all(bool(g.isfinite().all()) for g in slopes)
    assert any(float(g.abs().max()) > 0 for g in slopes)


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ([0], ValueError, r"2 problems and labels of shape \(1,\)"),
        ([0, 2], ValueError, "there are 2 classes"),
        ([0.0, 1.0], TypeError, "whole number"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, error, words):
    with pytest.raises(error, match=words):
        reading.train_classifier(aware(), bump_problems(2), labels, steps=1)


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match="the list of problems is empty"):
        reading.train_classifier(aware(), [], [], steps=1)
    with pytest.raises(ValueError, match="the list of problems is empty"):
        aware().probabilities([])


def test_what_is_not_trained_reads_nothing():
    with pytest.raises(ValueError, match="not trained"):
        aware().probabilities(bump_problems(1))


def test_features_must_share_four_heads():
    with pytest.raises(ValueError, match="features=6 is no multiple of 4"):
        reading.TaskAware(2, features=6)


def test_a_prior_without_linear_maps_is_refused():
    family = reading.TaskAware(2, "grid", {"cells": 4.0})
    with pytest.raises(ValueError, match="no real linear maps"):
        reading.train_classifier(family, bump_problems(2), [0, 1], steps=1)


@pytest.mark.slow
def test_digits_are_read_from_three_steps():
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    found = datasets.load_digits()
    images = torch.tensor(found.images / 16.0, dtype=torch.float32)
    problems = reading.image_problems(images[:600])
    options = {"width": 32, "depth": 2, "omega0": 10.0}
    family = reading.train_classifier(
        reading.TaskAware(10, "siren", options),
        problems[:500],
        found.target[:500].tolist(),
        steps=150,
        tasks=16,
        lr=1e-3,
        callbacks=[],
    )
    told = family.probabilities(problems[500:]).argmax(1)
    # 0.81 natively and with ATEN_CPU_CAPABILITY=default; chance is 0.1
    assert (told == found.target[500:600]).mean() > 0.6
