"""Records of a signature on the command line: flat keys, checked one by one, made into records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from inverse_inr.command.catalogue import optimizer_names, problems, regularizers, stoppings
from inverse_inr.command.config import Run
from inverse_inr.command.records import arguments, keys_of
from inverse_inr.command.tables import ConfigError, override, set_keywords
from inverse_inr.problems.spectral import Alignment, Detector, Optics, cassi


@dataclass(frozen=True)
class Shake:
    """How the subject moves: degrees, and mm along the axes."""

    degrees: float = 5.0
    along: Sequence[float] = ()

    def __post_init__(self) -> None:
        if self.degrees < 0:
            raise ValueError(f"Shake: degrees={self.degrees} is an angle, 0 or more.")


@dataclass(frozen=True)
class Light:
    """What the detector counts."""

    photons: float
    dark: float | None = None


def scans(path: str, *, shake: Shake = Shake(degrees=2.0), light: Light, seed: int = 0) -> Any:
    """A problem with one record that has a default and one that must be given."""
    return path, shake, light, seed


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes what `scans` makes of a table."""
    monkeypatch.setitem(problems._known, "scans", scans)
    return lambda **table: Run.of({"problem": {"name": "scans", **table}})


def test_fields_of_records_are_keys_beside_the_parameters(run: Any) -> None:
    made = run(path="a", degrees=3, photons=1e3, seed=4).problem()
    assert made == ("a", Shake(3), Light(1e3), 4)
    assert run(path="a", along=[1.0, 2.0], photons=5).problem() == (
        "a",
        Shake(2.0, [1.0, 2.0]),
        Light(5),
        0,
    )


def test_what_a_table_leaves_out_is_as_in_the_signature(run: Any) -> None:
    """Not as in the record: this signature has a default of its own."""
    assert run(path="a", photons=1.0).problem()[1] is scans.__kwdefaults__["shake"]
    assert scans.__kwdefaults__["shake"].degrees != Shake().degrees


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"degres": 1.0},
            r"\[problem\] scans: there is no option 'degres'. Did you mean 'degrees'\?",
        ),
        ({"sead": 1}, "Did you mean 'seed'"),
        ({"degrees": "many"}, r"degrees = 'many' must be a number"),
        ({"along": 3.0}, "along = 3.0"),
        ({"dark": "x"}, "dark = 'x'"),
        ({"degrees": -1.0}, r"\[problem\] scans: Shake: degrees=-1.0 is an angle"),
        (
            {"shake": {"degrees": 1.0}},
            "shake is no table: its parts are keys beside the others, degrees, along",
        ),
    ],
)
def test_a_slip_in_a_record_is_named(table: dict[str, Any], message: str, run: Any) -> None:
    with pytest.raises(ConfigError, match=message):
        run(path="a", photons=1.0, **table)


def test_a_field_without_default_must_be_given(run: Any) -> None:
    with pytest.raises(ConfigError, match=r"\[problem\] scans needs photons\.$"):
        run(path="a", degrees=1.0)
    with pytest.raises(ConfigError, match=r"needs path, photons"):
        run()


def test_words_of_the_command_line_reach_records(run: Any) -> None:
    """One word is a list where the field is one."""
    tables: dict[str, Any] = {"problem": {"name": "scans", "path": "a"}}
    set_keywords(tables, {"along": ["3"], "degrees": ["4"], "photons": ["7"]})
    override(tables, ["problem.dark=0.5"])
    assert tables["problem"] == {
        "name": "scans",
        "path": "a",
        "along": [3],
        "degrees": 4,
        "photons": 7,
        "dark": 0.5,
    }
    assert Run.of(tables).problem() == ("a", Shake(4, [3]), Light(7, 0.5), 0)


def test_a_name_that_stands_for_two_things_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(one: Shake = Shake(), other: Shake = Shake()) -> Any: ...
    def beside(degrees: float = 1.0, shake: Shake = Shake()) -> Any: ...

    both = (twice, "twice: 'degrees' is a field of 'one' and a field of 'other'")
    for function, message in (
        both,
        (beside, "beside: 'degrees' is a parameter and a field of 'shake'"),
    ):
        monkeypatch.setitem(problems._known, function.__name__, function)
        with pytest.raises(ConfigError, match=message):
            Run.of({"problem": {"name": function.__name__}})
        with pytest.raises(TypeError, match=message):
            set_keywords({"problem": {"name": function.__name__}}, {"degrees": ["1"]})


def test_records_that_may_be_none_and_taken_ones_stay_whole() -> None:
    def whole(a: Shake | None = None, b: Sequence[Shake] = (), c: Shake = Shake()) -> None: ...

    assert list(keys_of(whole, taken=("c",))) == ["a", "b", "c"]
    assert arguments(whole, {"c": Shake(1.0)}, taken=("c",)) == {"c": Shake(1.0)}


@pytest.mark.parametrize(
    "registry", [problems, regularizers, stoppings, optimizer_names], ids=lambda r: r.kind
)
def test_no_component_has_two_meanings_for_a_key(registry: Any) -> None:
    for name in registry.names():
        assert keys_of(registry.get(name), taken=("grid",)) is not None


FLAT = {
    "cassi": "mask mask_variable step axis mode noise_level full_well readout efficiency "
    "mask_shift dispersion_scale calibration scene size bands reflectances second variable seed",
    "simulated_slices": "pixel thickness spacing interleave degrees distance correlation gain "
    "noise_level bias voids outliers volume orientations resolution learn_motion learn_bias "
    "noise seed",
    "ct_scan": "row bin every air span center learn_center path fidelity size width "
    "hold_out_views drift raster names white dark angles angle_unit values",
}
"""What configs of these problems may say: they are written in files that people keep."""


@pytest.mark.parametrize("name", FLAT)
def test_configs_keep_their_keys(name: str) -> None:
    assert set(keys_of(problems.get(name))) == set(FLAT[name].split())


def test_a_config_makes_what_records_make() -> None:
    tables: dict[str, Any] = {"problem": {"name": "cassi", "size": 8, "bands": 3, "seed": 2}}
    set_keywords(tables, {"mask-shift": ["0.5", "-0.25"], "full-well": ["500"], "step": ["1.0"]})
    made = Run.of(tables).problem()
    alignment, detector = Alignment((0.5, -0.25)), Detector(full_well=500)
    same = cassi(
        size=8, bands=3, seed=2, optics=Optics(step=1.0), alignment=alignment, detector=detector
    )
    assert torch.equal(made.terms[0].y, same.terms[0].y)
    plain = cassi(size=8, bands=3, seed=2, optics=Optics(step=1.0), detector=detector)
    assert not torch.equal(made.terms[0].y, plain.terms[0].y)


def test_keywords_of_any_name_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def any_of(size: int = 3, **more: int) -> Any:
        return size, more

    monkeypatch.setitem(problems._known, "any_of", any_of)
    assert Run.of({"problem": {"name": "any_of", "size": 4, "depth": 2}}).problem() == (
        4,
        {"depth": 2},
    )
