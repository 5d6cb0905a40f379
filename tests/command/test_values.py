"""Values of a config: what is checked is what is used, and what was not meant is refused."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from cases.comparison import CONFIG

from inverse_inr import Solver
from inverse_inr.command import cli
from inverse_inr.command.config import Run
from inverse_inr.command.options import check_words
from inverse_inr.command.tables import ConfigError, override, read_tables
from inverse_inr.command.values import converted
from inverse_inr.ranges import Count, Positive, Range

CONFIG = CONFIG + '\n[[regularizers]]\nname = "total_variation"\nweight = 0.1\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize(
    ("value", "annotation", "used"),
    [
        (3, float, 3.0),
        ([1, 2], tuple[float, float], (1.0, 2.0)),
        (["a"], list[str], ["a"]),
        ("a", Literal["a", "b"], "a"),
        (2.5, float | None, 2.5),
        (3, Count, 3),
        ("a", str | Path, "a"),
    ],
)
def test_a_value_is_converted_as_its_annotation_says(value, annotation, used):
    made = converted(value, annotation)
    assert made == used
    assert type(made) is type(used)


@pytest.mark.parametrize(
    ("value", "annotation", "allowed"),
    [
        ("2", int, "a whole number. Leave out the quotes"),
        (2.0, int, "a whole number"),
        (True, int, "a whole number. A flag"),
        (True, float, "a number. A flag"),
        (1, bool, "True or False"),
        ("yes", bool, "True or False"),
        ("FBP", list[str], r"a list, each a text. Write \['FBP'\]"),
        ([1, 2, 3], tuple[float, float], "2 values"),
        (0, Count, "a whole number of at least 1"),
        (-1.0, Positive, "a number above 0"),
        ("x", Literal["a", "b"], "'a' or 'b'"),
        (3, str, "a text"),
        (math.nan, float, "finite"),
        (math.inf, float, "finite"),
        ([1.0, -math.inf], list[float], "finite"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(value, annotation, allowed):
    with pytest.raises(ValueError, match=allowed):
        converted(value, annotation)


def test_infinity_passes_where_the_range_or_the_default_has_it():
    from typing import Annotated

    assert converted(math.inf, float, default=math.inf) == math.inf
    assert converted(math.inf, Annotated[float, Range(above=0, finite=False)]) == math.inf


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ('solver.steps="2"', r"\[solver\]: steps = '2' must be a whole number"),
        ("solver.steps=true", r"\[solver\]: steps = True must be"),
        ("solver.seed=1.5", r"\[solver\]: seed = 1.5 must be a whole number"),
        ("solver.lr=nan", r"\[solver\]: lr = nan must be"),
        ('baselines.names="FBP"', r"\[baselines\]: names = 'FBP' must be a list"),
        ("baselines.names=[1]", r"\[baselines\]: names = \[1\] must be a list"),
        ("baselines.name=[]", r"\[baselines\]: there is no option 'name'. Did you mean 'names'"),
        ("problem.name=3", r"\[problem\] name = 3 must be the name of a problem"),
        ('problem.size="16"', r"\[problem\] ct: size = '16' must be a whole number"),
        ("problem.noise_level=inf", r"noise_level = inf must be"),
        ('regularizers.0.weight="a"', r"\[regularizers.0\] total_variation: weight = 'a' must be"),
        ("regularizers.0.weight=-1", r"weight = -1 must be a number of at least 0"),
        ('regularizers.0.on_grid="yes"', r"on_grid = 'yes' must be True or False"),
        ("regularizers.weight=2", r"whose parts have numbers: 0 \(total_variation\)"),
        ("regularizers.3.weight=2", "whose parts have numbers"),
        ("solver.steps.deep=2", "steps is 20, which has no parts"),
        ("solver=3", "write section.key=value"),
        ("solvr.steps=3", r"Unknown table \[solvr\]. Did you mean 'solver'"),
        ("regularizers.1.weight=2", r"\[regularizers.1\] needs a name"),
    ],
)
def test_a_slip_on_the_command_line_is_one_line_and_takes_no_folder(
    config, tmp_path, assignment, message
):
    with pytest.raises(ConfigError, match=message) as raised:
        cli.run(config, out=tmp_path / "out", set=(assignment,))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("problem = 3", "problem = 3 is no table"),
        ('[[solver]]\nsteps = 3\n[problem]\nname = "ct"', r"\[\[solver\]\]: there is one such"),
        ('[problem]\nname = "ct"\n[regularizers]\nname = "l1"', r"write \[\[regularizers\]\]"),
        ('[problem]\nname = "ct"\n[slover]\n', "Did you mean 'solver'"),
    ],
)
def test_tables_of_the_wrong_kind_are_named(tmp_path, text, message):
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Run.read(path)


def test_nested_values_are_set_by_their_numbers(config):
    tables = read_tables(config)
    words = [
        "regularizers.0.weight=2",
        'regularizers.1.name="l1"',
        "problem.spots.x=3",
        "baselines.names.0=TV",
        "solver.steps=7",
    ]
    override(tables, words)
    assert tables["regularizers"] == [{"name": "total_variation", "weight": 2}, {"name": "l1"}]
    assert tables["problem"]["spots"] == {"x": 3}
    assert tables["baselines"]["names"] == ["TV"]
    assert tables["solver"]["steps"] == 7
    without = {"problem": {"name": "ct"}}
    with pytest.raises(ConfigError, match=r"no \[\[regularizers\]\].*the problem suggests hold"):
        override(without, ["regularizers.weight=2"])
    override(without, ["regularizers.0.name=l1"])
    assert without["regularizers"] == [{"name": "l1"}]


def test_options_of_the_suggested_prior_need_no_name():
    """The name, and what else the problem suggests of it, stay."""
    run = Run.of({"problem": {"name": "ct", "size": 16, "views": 8}, "prior": {"levels": 3}})
    problem = run.problem()
    prior = run.solver(problem, []).prior
    suggested = problem.suggested
    assert prior.recipe.name == suggested.prior
    assert prior.recipe.options["levels"] == 3
    others = {k: v for k, v in suggested.options.items() if k != "levels"}
    assert others.items() <= prior.recipe.options.items()
    wrong = Run.of({"problem": {"name": "ct", "size": 16, "views": 8}, "prior": {"levls": 3}})
    with pytest.raises(ConfigError, match="Did you mean 'levels'"):
        wrong.solver(problem, [])


def rates(solver: Solver) -> list[float]:
    return [group["lr"] for o in solver.optimizer.optimizers for group in o.param_groups]


def test_the_suggested_learning_rate_holds_for_the_suggested_prior_as_in_solve():
    run = Run.of({"problem": {"name": "ct", "size": 16, "views": 8}})
    problem = run.problem()
    problem = replace(problem, suggested=replace(problem.suggested, lr=0.0123))
    assert rates(run.solver(problem, [])) == rates(Solver(problem)) != rates(Solver(problem, lr=1))
    named = Run.of({**run.tables, "prior": {"name": "grid"}})
    assert rates(named.solver(problem, [])) == rates(Solver(problem, "grid"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "ct", "--out", "o", "--frce"], "--frce has no value. Did you mean '--force'"),
        (["run", "ct", "a.npy", "--out", "o"], "'a.npy' stands alone. Values have names: --path a"),
        (["run", "ct", "--out"], "--out has no value. Write --out VALUE"),
        (["run", "ct", "--size", "--out", "o"], "--size has no value"),
    ],
)
def test_an_option_without_its_value_is_named(words, message):
    with pytest.raises(ConfigError, match=message):
        check_words(words)
    check_words(["run", "ct", "--out", "o", "--force", "--wait", "--shift", "-3", "--a=b"])
