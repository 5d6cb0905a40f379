"""`inverse-inr new`: a commented config that means what the preset means."""

import re
import tomllib

import pytest

from inverse_inr.command.config import Run
from inverse_inr.command.looking import verbs
from inverse_inr.command.looking.describing import drafted
from inverse_inr.command.presets import find_config, preset_names
from inverse_inr.command.tables import ConfigError


@pytest.mark.parametrize("name", preset_names())
def test_a_draft_means_what_its_preset_means(name):
    assert tomllib.loads(drafted(name)) == find_config(name)[0]


@pytest.mark.parametrize("name", ["ct", "cassi", "kspace", "denoise"])
def test_its_comments_are_keys_that_a_config_may_have(name):
    """Every default that is written out is taken by the checks of a config."""
    text = re.sub(r"^# (\w+ = )(?!\.\.\.)", r"\1", drafted(name), flags=re.MULTILINE)
    tables = tomllib.loads(text)
    assert len(tables["problem"]) > len(find_config(name)[0]["problem"])
    Run.of(tables)


def test_a_problem_without_preset_has_a_draft_that_names_what_must_be_given():
    text = drafted("ct_sinogram")
    assert tomllib.loads(text)["problem"] == {"name": "ct_sinogram"}
    assert "must be given" in text
    assert "# angle_unit = ..." in text
    with pytest.raises(ConfigError, match="Did you mean"):
        drafted("ct_sinogramm")


def test_a_file_that_exists_is_kept(tmp_path, capsys):
    mine = tmp_path / "my.toml"
    verbs.new("denoise", mine)
    assert "inverse-inr run" in capsys.readouterr().out
    mine.write_text("# mine")
    with pytest.raises(ConfigError, match="--force"):
        verbs.new("denoise", mine)
    assert mine.read_text() == "# mine"
    verbs.new("denoise", mine, force=True)
    assert tomllib.loads(mine.read_text())["problem"]["name"] == "denoise"
    with pytest.raises(ConfigError, match="a config is a"):
        verbs.new("denoise", tmp_path / "mine.txt")
