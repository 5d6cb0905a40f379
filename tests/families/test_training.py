"""Families are learnt through operators, resume to the bit, and refuse what does not belong."""

from dataclasses import replace

import pytest
import torch
from cases.families.bumps import SMALL, bump_problem, bump_problems, small, trained

import inverse_inr as ii
from inverse_inr import families
from inverse_inr.families import MetaLearned, Modulated, Training, train


@pytest.fixture(scope="module")
def learnt() -> MetaLearned:
    return train(small(MetaLearned), bump_problems(12), steps=100, lr=3e-3, callbacks=[])


@pytest.mark.slow
def test_three_steps_from_a_learnt_start_beat_thirty_from_the_standard_one(
    learnt,
) -> None:
    fresh = bump_problem(99)
    rows = [fresh.terms[0].trusted]
    solution = learnt.solve(fresh)
    assert solution.steps == 3
    (standard,) = families.fit_many([fresh], options=SMALL, steps=30)
    assert solution.misfit(rows) < 0.8 * standard.misfit(rows)


@pytest.mark.slow
def test_a_fit_goes_on_from_the_start(learnt) -> None:
    fresh = bump_problem(98)
    rows = [fresh.terms[0].trusted]
    longer = ii.solve(fresh, prior=learnt.start(fresh), steps=40, callbacks=[])
    assert longer.misfit(rows) < learnt.solve(fresh).misfit(rows)


def test_solving_does_not_change_the_family() -> None:
    learnt = trained()
    before = {k: v.clone() for k, v in learnt.state_dict().items()}
    learnt.solve(bump_problem(97))
    assert all(torch.equal(v, before[k]) for k, v in learnt.state_dict().items())


def test_the_given_family_stays_untrained() -> None:
    family = small(MetaLearned)
    train(family, bump_problems(2), steps=1, callbacks=[])
    assert family.template is None
    with pytest.raises(ValueError, match="not trained"):
        family.solve(bump_problem(0))


@pytest.mark.parametrize("kind", [MetaLearned, Modulated])
def test_a_family_that_is_only_laid_out_is_not_trained(kind) -> None:
    family = small(kind).for_problems([bump_problem(0)])
    with pytest.raises(ValueError, match="laid out, and not trained yet"):
        family.solve(bump_problem(0))


@pytest.mark.parametrize("kind", [MetaLearned, Modulated])
def test_a_resumed_training_is_the_same(kind, tmp_path) -> None:
    problems = bump_problems(4)
    whole = Training(small(kind), problems, steps=6, every=2).run()
    first = Training(small(kind), problems, steps=6, every=2)
    first.run(3)
    again = Training(small(kind), problems, steps=6, every=2)
    torch.save(first.state_dict(), tmp_path / "state")
    again.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    resumed = again.run()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_checkpoint_is_gone_on_from(tmp_path) -> None:
    problems = bump_problems(4)
    path = tmp_path / "training.ckpt"
    done = train(small(MetaLearned), problems, steps=4, every=2, checkpoint=path, callbacks=[])
    again = train(small(MetaLearned), problems, steps=4, every=2, checkpoint=path, callbacks=[])
    for name, value in done.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    with pytest.raises(ValueError, match="steps=4"):
        train(small(MetaLearned), problems, steps=5, checkpoint=path, callbacks=[])


def test_training_ends_by_the_held_out_tasks() -> None:
    """Steps too small to change anything gain nothing."""
    family = small(Modulated)
    family.rates = {}  # pyright: ignore[reportAttributeAccessIssue]
    training = Training(family, bump_problems(4), steps=50, every=1, patience=2, lr=1e-30)
    training.run()
    assert training.stopped is not None
    assert training.stopped.kind == "satisfied"
    assert training.step_number == 3


def test_a_training_that_diverges_returns_the_last_good_state() -> None:
    training = Training(small(MetaLearned), bump_problems(4), steps=50, every=1, lr=1e2)
    with pytest.warns(RuntimeWarning, match="returning the state of step"):
        family = training.run()
    assert training.stopped is not None
    assert training.stopped.kind == "non-finite"
    assert bool(torch.isfinite(family.solve(bump_problem(3)).sample()).all())


def test_targets_teach_what_the_measurements_do_not_show() -> None:
    """Half of the pixels are measured; the other half is known of the training tasks only."""
    seen = bump_problems(8)
    half = torch.arange(0, len(seen[0].terms[0].y), 2)
    partial = [replace(p, terms=[replace(p.terms[0], rows=half)]) for p in seen]
    training = Training(small(MetaLearned), partial, targets=seen, steps=2)
    assert len(training._inner[0].rows(0)[0]) == len(half)
    assert len(training._outer[0].rows(0)[0]) == 2 * len(half)
    with pytest.raises(ValueError, match="8 problems and 7 targets"):
        Training(small(MetaLearned), partial, targets=seen[1:])


def test_an_empty_list_of_tasks_is_refused() -> None:
    with pytest.raises(ValueError, match="list of problems is empty"):
        train(small(MetaLearned), [])
    with pytest.raises(ValueError, match="list of problems is empty"):
        families.fit_many([])


def test_tasks_of_other_dimension_are_refused() -> None:
    line = bump_problem(0, ndim=1)
    with pytest.raises(ValueError, match=r"problems\[1\] of one with 1 axis"):
        train(small(MetaLearned), [bump_problem(0), line])
    trained = train(small(MetaLearned), bump_problems(2), steps=1, callbacks=[])
    with pytest.raises(ValueError, match="this problem is of one with 1 axis"):
        trained.solve(line)


def test_a_prior_that_sets_itself_from_measurements_is_refused() -> None:
    with pytest.raises(ValueError, match="'incode' sets itself"):
        train(MetaLearned("incode", {"width": 8, "depth": 2}), bump_problems(2))
