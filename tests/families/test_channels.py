"""Intensities and labels on one trunk: a fit of intensities alone reads labels out."""

from dataclasses import replace

import pytest
import torch
from cases.families.bumps import BOX, GRID, SMALL, bump_problem, same

from inverse_inr import OnGrid, Problem, Term, predict, priors
from inverse_inr.families import Channels, MetaLearned, train
from inverse_inr.fidelity import L2

NAMES = Channels({"intensity": 1, "labels": 2})
WHOLE = OnGrid(same, GRID, GRID.shape)


class Asks:
    """An operator that asks the field by itself."""

    def __len__(self) -> int:
        return 3

    def __call__(self, rows):
        raise AssertionError("predict is asked instead")

    def predict(self, field, rows):
        return field(torch.linspace(-0.5, 0.5, 3)[rows, None].expand(-1, 2))[:, 0]


@pytest.mark.parametrize("operator", [WHOLE, Asks()], ids=["a raster", "one that asks"])
def test_an_operator_sees_its_channels_alone(operator) -> None:
    field = priors.siren(BOX, 3, **SMALL)
    seen = predict(NAMES.see(operator, "intensity"), field)
    alone = predict(operator, lambda points: field(points)[..., :1])
    torch.testing.assert_close(seen, alone)
    places = GRID.points()
    torch.testing.assert_close(NAMES.of(field(places), "labels"), field(places)[..., 1:])


def two_headed(seed: int) -> tuple[Problem, Problem]:
    """The intensity of a bump; and as the target, where it is above and below a half too."""
    problem = bump_problem(seed)
    y = problem.terms[0].y
    labels = torch.stack([y > 0.5, y <= 0.5], -1).float()
    intensity = Term(NAMES.see(WHOLE, "intensity"), y, L2())
    task = Problem([intensity], BOX, GRID, NAMES.total)
    target = replace(task, terms=[intensity, Term(NAMES.see(WHOLE, "labels"), labels, L2())])
    return task, target


@pytest.mark.slow
def test_labels_are_read_from_a_fit_of_intensities() -> None:
    tasks, targets = zip(*(two_headed(k) for k in range(40)), strict=True)
    family = MetaLearned("siren", {**SMALL, "width": 32}, inner_steps=3)
    family = train(family, tasks, targets=targets, steps=250, lr=3e-3, callbacks=[])
    right = []
    for seed in range(100, 105):
        task, target = two_headed(seed)
        found = NAMES.of(family.solve(task).sample(), "labels").reshape(-1, 2)
        truth = target.terms[1].y
        right.append((found.argmax(-1) == truth.argmax(-1))[truth[:, 0] > 0].float().mean())
    assert float(torch.stack(right).mean()) > 0.8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Channels({}), "Channels: sizes is empty"),
        (lambda: Channels({"a": 0}), "Channels: sizes"),
        (lambda: NAMES.see(WHOLE, "label"), r"no channel is called 'label'; .*'intensity'"),
        (lambda: NAMES.of(torch.zeros(4, 2), "labels"), r"channels=3\)"),
    ],
)
def test_what_is_no_name_is_refused(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
