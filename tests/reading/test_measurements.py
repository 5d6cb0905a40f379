"""Labels read from measurements that are no images: from X-ray views, through their operator."""

import math

import pytest
import torch
from cases.families.bumps import BOX, GRID, SMALL, bump_problem

import inverse_inr as ii
from inverse_inr import reading
from inverse_inr.families import MetaLearned
from inverse_inr.operators import ParallelBeam

VIEWS = ParallelBeam(BOX, torch.arange(5, dtype=torch.float64) * math.pi / 5, 12, pitch=0.24)
"""60 line integrals; the image has 100 pixels."""


def viewed(seeds: range) -> tuple[list[ii.Problem], list[torch.Tensor]]:
    """Views of bumps with 2 % noise, and where the bumps are higher than a half."""
    operator = VIEWS.on(GRID)
    problems, labels = [], []
    for seed in seeds:
        bump = bump_problem(seed).reference
        assert bump is not None
        exact = ii.predict(VIEWS, bump).float()
        generator = torch.Generator().manual_seed(seed)
        y = exact + 0.02 * exact.max() * torch.randn(exact.shape, generator=generator)
        term = ii.Term(operator, y, ii.fidelity.L2())
        problems.append(ii.Problem([term], BOX, GRID, average=1))
        labels.append((ii.sample(bump, GRID)[..., 0] > 0.5).long())
    return problems, labels


@pytest.mark.slow
def test_labels_are_read_from_views_without_a_reconstruction_in_between():
    segmenter = reading.Segmenter(MetaLearned("siren", SMALL, inner_steps=4), 2)
    known = viewed(range(30))
    taught = reading.train_segmenter(segmenter, *known, steps=100, lr=1e-2, callbacks=[])
    fresh, truths = viewed(range(100, 106))
    found = torch.stack([taught.labels(p) for p in fresh])
    constant = torch.stack(known[1]).double().mean(0).round().long().expand(6, -1, -1)
    overlap, trivial = (
        float(ii.metrics.dice(labels, torch.stack(truths), classes=2)[1])
        for labels in (found, constant)
    )
    assert overlap > max(0.8, trivial + 0.1)
    # what no view sees of the image, the views of another bump do not label
    other = ii.metrics.dice(found.roll(1, 0), torch.stack(truths), classes=2)[1]
    assert overlap > float(other) + 0.2
