"""The notebooks' exercises: solutions pass their checks, and typical wrong answers do not."""

import importlib
import math

import numpy as np
import pytest
import torch
from cases.documentation.solved import SCRIPTS, checks, solutions
from cases.documentation.wrong_answers import NAMES, WRONG

import inverse_inr as ii

NUMBERS = [script.name[:2] for script in SCRIPTS]
AT_ONCE = [(number, k) for number, k in WRONG if number != "11"]
"""Exercises whose solution takes neither a fit of the notebook nor the whole kit."""


def check(number: str, k: int, answer: object) -> None:
    """Give an answer to its check, with what else the notebook gives."""
    from exercises import exercise  # noqa: F401  (found beside the notebooks)

    module = importlib.import_module(f"exercises.check_{number}")
    context = {"03": NAMES["03"]["sigma"], "09": NAMES["09"]["chirp"].wavelength}
    more = [context[number]] if (number, k) in (("03", 1), ("09", 2)) else []
    (module.first if k == 1 else module.second)(answer, *more)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_a_notebook_has_two_exercises_with_solutions(script):
    assert len(solutions(script)) == len(checks(script)) == 2
    text = script.read_text()
    assert text.count("<details>") == text.count("</details>") == 4


@pytest.mark.parametrize(("number", "k"), AT_ONCE, ids=str)
def test_a_solution_is_right(number, k, capsys):
    (script,) = (s for s in SCRIPTS if s.name.startswith(number))
    names = {"torch": torch, "math": math, "ii": ii, **NAMES.get(number, {})}
    exec(solutions(script)[k - 1], names)
    check(number, k, names[f"answer_{k}"])
    assert "right" in capsys.readouterr().out


@pytest.mark.parametrize(("number", "k"), WRONG, ids=str)
def test_a_wrong_answer_gets_a_hint(number, k):
    from exercises import WrongAnswer

    for answer in WRONG[number, k]:
        with pytest.raises(WrongAnswer, match=r"\w+ \w+"):
            check(number, k, answer)


def test_wrong_features_and_labels_get_a_hint():
    from exercises import WrongAnswer, check_14

    apart = np.random.default_rng(0).normal(size=(6, 9))
    with pytest.raises(WrongAnswer, match="Renumbered units"):
        check_14.first(apart, apart)
    read = torch.arange(64).reshape(8, 8) % 3
    with pytest.raises(WrongAnswer, match="Four times"):
        check_14.second(read, read)
    with pytest.raises(WrongAnswer, match="same labels"):
        check_14.second(read.repeat(4, 4).flip(0), read)
    check_14.second(read.repeat_interleave(4, 0).repeat_interleave(4, 1), read)


def test_no_answer_is_no_fault_and_a_broken_one_is_a_hint(capsys):
    from exercises import WrongAnswer, check_13

    check_13.first(None)
    assert "no answer yet" in capsys.readouterr().out
    with pytest.raises(WrongAnswer, match="TypeError"):
        check_13.first(lambda: 0)


def test_every_exercise_has_wrong_answers():
    asked = {(number, k) for number in NUMBERS for k in (1, 2)}
    assert asked - set(WRONG) == {("14", 1), ("14", 2)}
