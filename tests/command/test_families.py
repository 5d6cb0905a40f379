"""`train` writes a family, goes on after an interruption, and `run --family` begins at it."""

import signal
from pathlib import Path

import pytest
import torch

from inverse_inr import families
from inverse_inr.command import cli
from inverse_inr.command.families import family_of, tasks_of
from inverse_inr.command.presets import find_config
from inverse_inr.command.session import INTERRUPTED
from inverse_inr.command.tables import ConfigError

SMALL = (
    "problem.size=8",
    "problem.views=4",
    "tasks.count=3",
    "training.steps=2",
    "training.every=1",
    "family.encoder.features=2",
    "family.encoder.depth=1",
    "solver.steps=1",
    "baselines.names=[]",
)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_family_is_trained_written_and_begun_at(here, capsys) -> None:
    path = here / "blobs.safetensors"
    assert cli.train("ct_family", out=path, set=SMALL) == 0
    assert "written to" in capsys.readouterr().out
    assert [p.name for p in here.iterdir()] == ["blobs.safetensors"]
    set = (*SMALL, "solver.lr=1e-12")
    assert cli.run("ct_family", out=here / "run", set=set, family=path) == 0
    problem = tasks_of(tables())[0]
    field = load_field_of(here / "run", path, problem)
    points = problem.box.random_points(5)
    torch.testing.assert_close(field(points), families.load(path).start(problem)(points))


def load_field_of(folder: Path, path: Path, problem):
    """The field of a run, whose fit took no step to speak of."""
    family = families.load(path)
    field = family.start(problem)
    from safetensors.torch import load_file

    field.load_state_dict(load_file(folder / "field.safetensors"))
    return field


def tables(**changes: object):
    """The preset, small."""
    found = find_config("ct_family")[0]
    found["problem"] |= {"size": 8, "views": 4}
    found["tasks"] = {"count": 1, "phantom": ["gaussian_blobs:1000"], "seed": [0]} | changes
    return found


def test_ctrl_c_keeps_a_state_from_which_the_same_command_goes_on(here, monkeypatch) -> None:
    whole, parts = here / "whole.safetensors", here / "parts.safetensors"
    assert cli.train("ct_family", out=whole, set=SMALL) == 0
    step = families.Training.step

    def interrupted(training: families.Training) -> float:
        signal.raise_signal(signal.SIGINT)
        return step(training)

    with monkeypatch.context() as patch:
        patch.setattr(families.Training, "step", interrupted)
        assert cli.train("ct_family", out=parts, set=SMALL) == INTERRUPTED
    assert not parts.exists()
    assert (here / "parts.safetensors.state").exists()
    assert cli.train("ct_family", out=parts, set=SMALL) == 0
    assert sorted(p.name for p in here.iterdir()) == ["parts.safetensors", "whole.safetensors"]
    first, second = (families.load(path).state_dict() for path in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_state_of_another_training_is_not_gone_on_from(here, monkeypatch) -> None:
    def interrupted(training: families.Training) -> float:
        signal.raise_signal(signal.SIGINT)
        return 0.0

    with monkeypatch.context() as patch:
        patch.setattr(families.Training, "step", interrupted)
        cli.train("ct_family", out=here / "f", set=SMALL)
    with pytest.raises(ValueError, match="seed"):
        cli.train("ct_family", out=here / "f", set=(*SMALL, "training.seed=5"))


def test_tasks_change_by_lists_in_turn_and_by_numbers() -> None:
    found = tables(count=3, phantom="gaussian_blobs:*", noise_level=[0.1, 0.2])
    found["tasks"].pop("seed")
    sigmas = [float(p.terms[0].fidelity.sigma / p.terms[0].y.max()) for p in tasks_of(found)]
    assert sigmas[0] == pytest.approx(sigmas[2], rel=0.3)
    assert sigmas[1] > 1.5 * sigmas[0]
    values = [p.reference(torch.zeros(1, 2)) for p in tasks_of(found)]
    assert not torch.equal(values[0], values[1])


@pytest.mark.parametrize(
    ("table", "changes", "message"),
    [
        ("family", {"name": "gaussian"}, r"\[family\] name='gaussian': no such kind. .*generated"),
        ("family", {"steps": 3}, r"\[family\] conditioned: .*steps"),
        ("family", {"encoder": {"layers": 3}}, r"\[family\] conditioned: encoder: .*layers"),
        ("family", {"name": "modulated"}, r"\[family\] modulated: this kind has no encoder"),
        ("tasks", {"count": 0}, r"\[tasks\].*count"),
        ("tasks", {"phantom": "shepp_logan"}, r"phantom = 'shepp_logan' is the same for all"),
        ("tasks", {"vews": [3, 4]}, "vews"),
        ("training", {"stepz": 3}, r"\[training\].*stepz"),
    ],
)
def test_wrong_tables_are_refused_by_name(here, table, changes, message) -> None:
    found = tables()
    found[table] = found[table] | changes
    with pytest.raises((ConfigError, ValueError), match=message):
        teach_of(found, here / "f")


def teach_of(found, out: Path) -> None:
    from inverse_inr.command.families import teach

    teach(found, out, force=False)


def test_a_config_without_tasks_teaches_nothing(here) -> None:
    with pytest.raises(ConfigError, match=r"\[family\] name=None"):
        cli.train("ct", out=here / "f")
    with pytest.raises(ConfigError, match=r"\[tasks\] needs count"):
        tasks_of(find_config("ct")[0])


def test_a_file_that_is_there_is_kept(here) -> None:
    (here / "f").write_text("mine")
    with pytest.raises(ConfigError, match=r"exists\. Choose another"):
        cli.train("ct_family", out=here / "f", set=SMALL)


def test_a_family_of_other_axes_is_refused(here) -> None:
    path = here / "f"
    assert cli.train("ct_family", out=path, set=SMALL) == 0
    with pytest.raises(ValueError, match="the family is of fields with 2 axes"):
        cli.run("audio", out=here / "run", family=path)
    assert family_of({"name": "meta-learned", "inner_steps": 2}).inner_steps == 2
