"""A word of the solver among those of the problem is sent to where it belongs."""

import pytest

from inverse_inr.command.config import Run
from inverse_inr.command.tables import ConfigError


@pytest.mark.parametrize("word", ["steps", "lr"])
def test_words_of_the_solver_are_sent_there(word: str):
    tables = {"problem": {"name": "ct", word: 2}}
    with pytest.raises(ConfigError, match=rf"{word} belongs to the solver: .* solver\.{word}=2"):
        Run.of(tables)
