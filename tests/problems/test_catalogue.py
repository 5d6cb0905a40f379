"""Problems by name: each alone, or all of them."""

from inverse_inr.problems.catalogue import problem, problems
from inverse_inr.registry import Registry


def test_each_is_found_alone_as_among_all():
    everything = problems()
    assert len(everything) > 40
    assert {name: problem(name) for name in everything} == everything
    assert problem("no such problem") is None
    assert problem("Problem") is None  # a word of every room, and no problem


def test_a_name_found_alone_makes_no_list_of_all():
    def everything() -> dict[str, object]:
        raise AssertionError("all were asked for")

    registry = Registry("number", "inverse_inr.none", everything, {"one": abs}.get)
    assert registry.get("one") is abs
    assert "one" in registry
    assert "file.py:one" not in registry
    assert 1 not in registry


def test_names_that_are_not_found_alone_are_sought_among_all():
    registry = Registry("number", "inverse_inr.none", lambda: {"two": abs}, {"one": max}.get)
    assert registry.get("two") is abs
    assert "two" in registry
    assert "three" not in registry
