"""Every source of a docstring leads to an entry of docs/references.bib, and every entry is used."""

import pytest
from cases.documentation.pages import DOCS
from cases.tree import ROOT

assert DOCS.exists()  # that module makes `making` importable
from making.bibliography import (  # noqa: E402
    all_sources,
    citations,
    entries,
    page,
    sources_in,
    unknown,
    with_links,
)

NO_PAPERS = (
    "HDF5 File Format Specification",
    "Hutchinson's probes",
    "TIFF 6.0",
    "The enumeration ISMRMRD_AcquisitionFlags",
)
"""How sources begin that are formats, headers or folklore."""


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    """Every source, with a file that names it."""
    return {source: file for file, source in all_sources(ROOT)}


def test_every_source_is_known(sources):
    assert len(sources) > 200
    left = {
        f"{file}: {name}"
        for source, file in sources.items()
        if not source.startswith(NO_PAPERS)
        for name in unknown(source)
    }
    assert left == set(), "add them to docs/references.bib, or to NO_PAPERS"


def test_every_entry_is_used(sources):
    used = {key for source in sources for *_, key in citations(source)}
    assert set(entries()) - used == set()


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ("Sitzmann et al. 2020, section 3.2 and the published code.", ["sitzmann2020"]),
        ("Sitzmann et al. 2020 (MetaSDF), step sizes.", ["sitzmann2020metasdf"]),
        ("Chen et al. 2021, NeRV, arXiv:2110.13903.", ["chen2021nerv"]),
        ("Kak & Slaney, eq. 3.61.", ["kak1988"]),
        ("Dabov, Foi, Katkovnik & Egiazarian 2007, equations 4 to 11.", ["dabov2007"]),
        ("Richardson 1972, Lucy 1974.", ["richardson1972", "lucy1974"]),
        ("Zhang et al. 2021.", []),  # which of the two is not said
    ],
)
def test_a_source_leads_to_its_entries(source, keys):
    assert [key for *_, key in citations(source)] == keys


def test_another_year_is_unknown():
    assert unknown("Sitzmann et al. 2019.") != []
    assert unknown("A talk that nobody wrote down.") != []


def test_sources_are_read_and_linked():
    text = "What it does.\n\nReturns:\n    It.\n\nSource:\n    Keys 1981,\n    with a = -1/2.\n"
    assert sources_in(text) == ["Keys 1981, with a = -1/2."]
    assert (
        with_links(text.split("\n"), ["shown"])[-2]
        == "Bibliography: :ref:`keys1981 <bib-keys1981>`."
    )
    assert with_links(["Nothing."], ["shown"]) == ["shown"]


def test_the_page_has_a_label_for_every_entry():
    text = page()
    assert all(f".. _bib-{key}:" in text for key in entries())


def test_what_is_no_entry_is_refused(tmp_path):
    path = tmp_path / "a.bib"
    path.write_text("@misc{one,\n  author = {One},\n}\n\n@misc{two, title = {on one line}}\n")
    with pytest.raises(ValueError, match="on one line"):
        entries(path)
    path.write_text("@misc{one,\n  year = {1},\n}\n" * 2)
    with pytest.raises(ValueError, match="twice"):
        entries(path)
