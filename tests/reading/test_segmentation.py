"""Label heads: what is seen, what is taught, what is refused."""

import math
from dataclasses import replace

import pytest
import torch
from cases.families.bumps import BOX, GRID, SMALL, bump_problem

import inverse_inr as ii
from inverse_inr import families, reading
from inverse_inr.families import Convolutions, MetaLearned

LABELS = torch.zeros(GRID.shape, dtype=torch.long)


def segmenter(**options: object) -> reading.Segmenter:
    return reading.Segmenter(MetaLearned("siren", SMALL, inner_steps=2), 2, **options)


def labelled(seeds: range) -> tuple[list[ii.Problem], list[torch.Tensor]]:
    """Bumps, and where they are higher than a half."""
    problems = [bump_problem(seed) for seed in seeds]
    return problems, [(p.terms[0].y > 0.5).long().reshape(GRID.shape) for p in problems]


def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_classes():
    y = reading.one_hot(LABELS, GRID, 4)
    loss = reading.CrossEntropy()(torch.zeros(GRID.numel, 4), y)
    assert float(loss) == pytest.approx(math.log(4))


def test_cross_entropy_is_minus_the_logarithm_of_the_probability():
    logits = torch.tensor([[0.3, -1.2, 2.0]], dtype=torch.float64)
    y = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    expected = -(-1.2 - math.log(math.exp(0.3) + math.exp(-1.2) + math.exp(2.0)))
    assert float(reading.CrossEntropy()(logits, y)) == pytest.approx(expected)


def test_what_is_no_probability_is_no_measurement():
    logits = families.Channels({"labels": 2}).see(
        ii.OnGrid(lambda image: image, GRID, (*GRID.shape, 2), trailing=1), "labels"
    )
    with pytest.raises(ValueError, match=r"CrossEntropy: y of shape .* holds no probabilities"):
        ii.Term(logits, torch.ones(GRID.numel, 2), reading.CrossEntropy())


def test_the_instrument_of_the_whole_field_sees_intensities_alone():
    (whole,) = segmenter().whole([bump_problem(0)])
    field = lambda points: torch.cat([points[..., :1], 7 + points, points], -1)[..., :3]  # noqa: E731
    plain = ii.predict(bump_problem(0).terms[0].operator, lambda points: points[..., :1])
    torch.testing.assert_close(ii.predict(whole.terms[0].operator, field), plain)
    assert whole.channels == 3


def test_problems_of_one_operator_still_share_it():
    problem, other = reading.image_problems([torch.rand(6, 6), torch.rand(6, 6)])
    first, second = segmenter().whole([problem, other])
    assert first.terms[0].operator is second.terms[0].operator
    labels = [torch.zeros(6, 6, dtype=torch.long)] * 2
    targets = segmenter().targets([first, second], labels)
    assert targets[0].terms[0].operator is targets[1].terms[0].operator


def test_the_head_of_labels_does_not_move_while_intensities_are_fitted():
    """Intensities say nothing of the head of labels: its gradient is zero."""
    problems, labels = labelled(range(4))
    made = reading.train_segmenter(segmenter(), problems, labels, steps=2, callbacks=[])
    start = made.family.known.network.head.weight
    field = made.solve(bump_problem(50)).field
    assert torch.equal(field.network.head.weight[1:], start[1:])
    assert not torch.equal(field.network.head.weight[0], start[0])


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ([torch.zeros(9, 10, dtype=torch.long)] * 2, ValueError, "another grid"),
        ([LABELS, LABELS + 2], ValueError, r"labels\[1\]: labels hold values from 2 to 2"),
        ([LABELS, LABELS - 1], ValueError, "from -1 to -1, and there are 2 classes"),
        ([LABELS, LABELS.float()], TypeError, "whole numbers"),
        ([LABELS], ValueError, "2 problems and 1 label maps"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, error, words):
    problems = [bump_problem(0), bump_problem(1)]
    with pytest.raises(error, match=words):
        reading.train_segmenter(segmenter(), problems, labels, steps=1, callbacks=[])


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match="Segmenter: the list of problems is empty"):
        reading.train_segmenter(segmenter(), [], [], steps=1)
    with pytest.raises(ValueError, match="image_problems: the list of images is empty"):
        reading.image_problems([])


def test_problems_of_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"problems\[0\] is of a field of 1 channels"):
        segmenter(channels=3).whole([bump_problem(0)])


def test_complex_fields_are_refused():
    (problem,) = reading.image_problems([torch.rand(6, 6)])
    with pytest.raises(ValueError, match=r"problems\[0\] is of a complex field"):
        segmenter().whole([replace(problem, is_complex=True)])


def test_what_is_not_trained_reads_nothing():
    with pytest.raises(ValueError, match="not trained"):
        segmenter().labels(bump_problem(0))


@pytest.mark.parametrize(
    ("images", "grid", "error", "words"),
    [
        ([torch.zeros(4, 4), torch.zeros(4, 5)], None, ValueError, "images of one shape"),
        ([torch.zeros(4, 4, dtype=torch.long)], None, TypeError, "real numbers, got torch.int64"),
        ([torch.zeros(4, 4)], GRID, ValueError, "not on the grid"),
        ([torch.zeros(2, 2, 2, 2)], None, ValueError, "without a grid"),
    ],
)
def test_images_that_do_not_fit_are_refused(images, grid, error, words):
    with pytest.raises(error, match=words):
        reading.image_problems(images, grid)


def test_channels_of_an_image_are_channels_of_its_problem():
    image = torch.rand(*GRID.shape, 3)
    (problem,) = reading.image_problems([image], GRID)
    assert problem.channels == 3
    assert torch.equal(problem.terms[0].y, image.reshape(-1, 3))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["metaseg", "iosnet"])
def test_labels_of_fresh_bumps_are_read(kind):
    """The threshold of a bump is a function of its intensity; the majority class has no Dice."""
    problems, labels = labelled(range(30))
    if kind == "metaseg":
        made, steps = segmenter(), 150
    else:
        family = families.Conditioned(Convolutions(8, 2), "relu", {"width": 16, "depth": 2})
        made, steps = reading.Segmenter(family, 2, intensity_weight=0.0), 150
    made = reading.train_segmenter(made, problems, labels, steps=steps, lr=5e-3, callbacks=[])
    fresh, truths = labelled(range(100, 106))
    found = torch.stack([made.labels(p) for p in fresh])
    assert float(ii.metrics.dice(found, torch.stack(truths), classes=2)[1]) > 0.8
    finer = ii.Grid(BOX, (25, 25))
    p = made.probabilities(fresh[0], grid=finer)
    assert p.shape == (25, 25, 2)
    torch.testing.assert_close(p.sum(-1), torch.ones(25, 25))
