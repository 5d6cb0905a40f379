"""The core knows no modality: it imports none, and has no word of one in its names and strings."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from cases.tree import PACKAGE, ROOT, imports, source_files

# Rooms of modalities whose names are words of the core too: f is a field, an array is cut into
# slices, and "spectral" is said of spatial frequencies. OF_MODALITIES names what is special to
# those modalities.
WORDS_OF_THE_CORE = {"fields", "shapes", "slices", "spectral"}
OF_MODALITIES = {
    "cassi",
    "cbct",
    "chirp",
    "coils",
    "cphd",
    "ct",
    "ctf",
    "dispersion",
    "dicom",
    "fanbeam",
    "fastmri",
    "fbp",
    "fdk",
    "fetal",
    "fmcw",
    "gotcha",
    "hyperspectral",
    "hounsfield",
    "mri",
    "mstar",
    "nufft",
    "photograph",
    "radiograph",
    "radon",
    "sar",
    "sinogram",
    "snapshot",
    "spokes",
    "tomography",
    "ultrasound",
    "xray",
}

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _modality_words() -> set[str]:
    """The names of the rooms in operators/ and problems/, and words that belong to them alone."""
    rooms = {
        path.name
        for top in ("operators", "problems")
        for path in (ROOT / top).iterdir()
        if path.is_dir()
    }
    return (rooms - {"__pycache__"} - WORDS_OF_THE_CORE) | OF_MODALITIES


def _core() -> list[Path]:
    """The files of the core, without the command line and `io`.

    The command line knows the catalogues, and `io` the names of formats.
    """
    core = ROOT / PACKAGE
    files = source_files(core)
    return [path for path in files if path.relative_to(core).parts[0] not in ("command", "io")]


def _texts(tree: ast.Module) -> Iterator[str]:
    """Identifiers, imported names and strings, without docstrings and texts that stand alone."""
    loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and id(node) not in loose:
                yield node.value
            continue
        for field in ("id", "attr", "arg", "name", "asname", "module"):
            text = getattr(node, field, None)
            if field == "module" and not str(text).startswith(PACKAGE):
                continue  # the name of another library's module is not ours
            if isinstance(text, str):
                yield text


@cache
def _texts_of(path: Path) -> tuple[str, ...]:
    """The texts of a file, for which two tests ask."""
    return tuple(_texts(ast.parse(path.read_text())))


def _words(texts: Iterable[str]) -> set[str]:
    return {word.lower() for text in texts for word in WORD.findall(text)}


def test_the_core_has_no_word_of_a_modality():
    of_modalities = _modality_words()
    faults = {}
    for path in _core():
        found = _words(_texts_of(path)) & of_modalities
        if found:
            faults[str(path.relative_to(ROOT))] = found
    assert faults == {}


PLACES = (f"{PACKAGE}.operators", f"{PACKAGE}.problems")


def _places_named(path: Path) -> Iterator[str]:
    """What a file says of the rooms of operators and problems, in an import or in a string."""
    for found in imports(path):
        whole = f"{found.module}.{found.name}"
        if whole.startswith(PLACES):
            yield f"line {found.line}: {whole}"
    for text in _texts_of(path):
        if any(place in text for place in PLACES):
            yield repr(text)


def test_the_core_names_neither_operators_nor_problems():
    """Neither in an import nor in a string: only the command line knows of the catalogues."""
    files = [*_core(), *source_files(ROOT / PACKAGE / "io")]
    faults = [f"{p.relative_to(ROOT)}: {said}" for p in files for said in _places_named(p)]
    assert faults == []


def test_a_place_is_found_in_an_import_and_in_a_string(tmp_path: Path):
    path = tmp_path / "a.py"
    path.write_text(
        'def f():\n    from inverse_inr.problems import ct\nx = "inverse_inr.operators"'
    )
    assert [*_places_named(path)] == [
        "line 2: inverse_inr.problems.ct",
        "'inverse_inr.problems'",
        "'inverse_inr.operators'",
    ]


def test_only_the_catalogues_are_known_to_the_command_line():
    known = set()
    for path in source_files(ROOT / PACKAGE / "command"):
        for found in imports(path):
            if found.module.startswith(PLACES):
                known.add((path.name, found.module))
    assert known == {("catalogue.py", f"{place}.catalogue") for place in PLACES}


def test_words_are_found_in_names_and_strings_and_not_in_docstrings():
    tree = ast.parse(
        '"""CT."""\n'
        "from a import FanBeamCT as beam\n"
        'radon_views = f"sar {beam}"\n'
        'def f(mri): "a fetal scan"\n'
    )
    assert _words(_texts(tree)) & _modality_words() == {"ct", "radon", "sar", "mri"}
