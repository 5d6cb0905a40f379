"""The papers that docstrings name, as `docs/references.bib` knows them.

A source is written as a reader writes it, "Sitzmann et al. 2020, section 4.1". It leads to the
entry of that first author, or those two or three, and that year. Where several entries have both,
each but one has a field `cited`, a word that stands beside the year in the docstring. An entry that
is cited without a year has a field `alias` with the words that name it.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parents[1]
BIB = HERE / "references.bib"
ENTRY = re.compile(r"^@(\w+)\{([\w-]+),\n((?:  \w+ = \{.*\},\n)+)\}$", re.MULTILINE)
FIELD = re.compile(r"^  (\w+) = \{(.*)\},$", re.MULTILINE)
BLOCK = re.compile(r"^Sources?:\n((?:[ \t]+.*\n?)+)", re.MULTILINE)
INLINE = re.compile(r"(?<![\w`])Sources?: (?=[A-Z])(.+?)(?=\n\n|\Z)", re.DOTALL)
YEAR = re.compile(r"(?<![\d.:/-])(?:18|19|20)\d\d(?!\d|\.\d)")


@dataclass(frozen=True)
class Entry:
    """One entry of the bibliography.

    key     what BibTeX calls it
    kind    "article", "book", ...
    fields  by name
    """

    key: str
    kind: str
    fields: dict[str, str]

    @property
    def authors(self) -> list[str]:
        """Surnames, in order; "others" for those who are not named."""
        people = self.fields["author"].split(" and ")
        return [person.partition(",")[0].strip("{} ") for person in people]

    def pattern(self) -> re.Pattern[str]:
        """What a docstring may write for it."""
        if "alias" in self.fields:
            words = "|".join(re.escape(name) for name in self.fields["alias"].split(" / "))
            year = self.fields.get("year", "year")
            return re.compile(rf"(?:{words})(?:[^;]{{0,140}}?{year})?")
        first, *rest = [re.escape(name).replace(r"\ ", r"\s+") for name in self.authors]
        names = [rf"{first}\s+et\s+al\."] if len(rest) > 1 or rest == ["others"] else []
        if "others" not in rest:
            comma = "".join(rf",\s+{name}" for name in rest[:-1])
            names.append(rf"{first}{comma}\s*,?\s+(?:&|and)\s+{rest[-1]}" if rest else first)
        who = "|".join(names)
        return re.compile(
            rf"(?<![\w-])(?:{who})(?!\w)[^;]{{0,140}}?{self.fields['year']}(?!\d|\.\d)"
        )

    def text(self) -> str:
        """The entry as a reader knows it: authors, year, title, where."""
        people = self.authors
        who = people[0] if len(people) == 1 else f"{', '.join(people[:-1])} and {people[-1]}"
        where = [self.fields[k] for k in ("journal", "booktitle", "publisher") if k in self.fields]
        if "eprint" in self.fields:
            where.append(f"arXiv:{self.fields['eprint']}")
        tail = f" {', '.join(where)}." if where else ""
        year = f" ({self.fields['year']})" if "year" in self.fields else ""
        title = f" {self.fields['title']}." if "title" in self.fields else ""
        return f"{who}{year}.{title}{tail}"


@cache
def entries(path: Path = BIB) -> dict[str, Entry]:
    """The entries of a .bib file of one field a line, by key.

    Raises:
        ValueError: Something in the file is no entry, or a key stands there twice.
    """
    text = path.read_text(encoding="utf-8")
    found: dict[str, Entry] = {}
    for kind, key, body in ENTRY.findall(text):
        if key in found:
            raise ValueError(f"{path.name}: {key} stands there twice.")
        found[key] = Entry(key, kind, dict(FIELD.findall(body)))
    left = [line for line in ENTRY.sub("", text).splitlines() if line and line[0] != "%"]
    if left:
        raise ValueError(f"{path.name}: {left[0]!r} belongs to no entry of one field a line.")
    return found


@cache
def _patterns() -> list[tuple[Entry, str, re.Pattern[str]]]:
    """Each entry with a word that a citation of it has in any case, and what is looked for."""
    return [(e, e.authors[0].split()[-1], e.pattern()) for e in entries().values()]


def citations(text: str) -> list[tuple[int, int, str]]:
    """Where a source names entries of the bibliography.

    Args:
        text: What stands below "Source:".

    Returns:
        Start, end and key of each, in order.
    """
    found = []
    for entry, word, pattern in _patterns():
        if word not in text:
            continue
        for match in pattern.finditer(text):
            beside = re.split("[;]", text[match.start() :])[0]
            said = entry.fields.get("cited")
            if said is None or said in beside:
                found.append((match.start(), match.end(), entry.key, said is not None))
    exact = {start for start, *_, only in found if only}
    kept = [hit[:3] for hit in found if hit[3] or hit[0] not in exact]
    return sorted(set(kept))


def unknown(text: str) -> list[str]:
    """Years of a source that belong to no known entry; all of it where nothing is known."""
    spans = [(start, end) for start, end, _ in citations(text)]
    years = [m for m in YEAR.finditer(text) if not any(a <= m.start() < b for a, b in spans)]
    if years:
        return [text[max(0, m.start() - 60) : m.end()] for m in years]
    return [] if spans else [text]


def sources_in(docstring: str) -> list[str]:
    """What a docstring names as its sources, each on one line."""
    text = inspect.cleandoc(docstring) + "\n"
    found = BLOCK.findall(text) + INLINE.findall(text)
    return [" ".join(source.split()) for source in found]


def all_sources(root: Path) -> Iterator[tuple[str, str]]:
    """Every source of every docstring in the library's folders.

    Args:
        root: The checkout.

    Yields:
        The file and the source.
    """
    for top in ("inverse_inr", "operators", "problems"):
        for path in sorted((root / top).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "Source" not in text:
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    for source in sources_in(ast.get_docstring(node) or ""):
                        yield str(path.relative_to(root)), source


def with_links(lines: list[str], shown: list[str]) -> list[str]:
    """Put links to the bibliography at the end of a docstring that names sources.

    Args:
        lines: The docstring.
        shown: The same as reStructuredText.

    Returns:
        `shown`, with one line more where the sources are known.
    """
    found = links(" ; ".join(sources_in("\n".join(lines))))
    return [*shown, "", f"Bibliography: {found}.", ""] if found else shown


def links(text: str) -> str:
    """The entries that a source leads to, as references of reStructuredText; "" for none."""
    keys = dict.fromkeys(key for *_, key in citations(text))
    return ", ".join(f":ref:`{key} <bib-{key}>`" for key in keys)


def page() -> str:
    """The page of all entries, each with a label that links lead to."""
    lines = [
        "Bibliography",
        "============",
        "",
        "The papers and books behind the code, as in ``docs/references.bib``.",
        "",
    ]
    for key, entry in sorted(entries().items(), key=lambda item: item[1].text().lower()):
        lines += [f".. _bib-{key}:", "", f"``{key}``", f"   {_escaped(entry.text())}", ""]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return re.sub(r"([*|\\`_])", r"\\\1", text)
