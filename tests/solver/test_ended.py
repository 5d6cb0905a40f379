"""How a run ended: whether more steps would have helped."""

import pytest

from inverse_inr.solver.ended import all_steps_done


def history(values: list[float], label: str = "held-out") -> list[dict]:
    return [{"step": 10 * k, "loss": 1.0, label: v} for k, v in enumerate(values, 1)]


FALLS = [2.0 - 0.1 * k for k in range(15)]


def test_a_value_that_falls_to_the_end_is_said() -> None:
    ended = all_steps_done(history(FALLS), "held-out")
    assert ended.kind == "done"
    assert str(ended).startswith("all steps done, but the value of held-out was still falling")


@pytest.mark.parametrize(
    "values", [[*FALLS, *[0.6] * 15], [*FALLS, *[0.6 + 0.01 * k for k in range(15)]], [0.5], []]
)
def test_a_value_that_has_settled_or_rises_is_not(values: list[float]) -> None:
    assert str(all_steps_done(history(values), "held-out")) == "all steps done"


def test_the_loss_counts_where_the_rule_gives_no_value() -> None:
    records = [{"step": r["step"], "loss": r["held-out"]} for r in history(FALLS)]
    assert "the loss was still falling" in str(all_steps_done(records, "held-out"))
