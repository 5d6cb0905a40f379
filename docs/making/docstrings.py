"""Docstrings as Sphinx wants them.

Ours are plain English in Google's form: a star is a star, `word` is code, an indented block is a
formula. reStructuredText would take the star for emphasis and the block for a quotation.
"""

from __future__ import annotations

import re

SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes|Source|Sources|Examples?):$")
CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
ARGUMENT = re.compile(r"^(\s+\*{1,2})(?=\w+(?: \(.*?\))?:\s)")
MARKUP = re.compile(r"([*|\\])|(?<=\w)(_)(?=[^\w]|$)")


def as_restructured_text(lines: list[str]) -> list[str]:
    """A docstring that reStructuredText shows as it was meant.

    Args:
        lines: Its lines, dedented.

    Returns:
        As many lines or more: code between double backticks, everything else literal, and indented
        blocks outside of sections as literal blocks.
    """
    text = "\n".join(_literal_blocks(lines))
    parts = re.split(r"(?<!`)(`[^`]+`)(?!`)", text)
    found = ""
    for part in parts:
        shown = _escaped(part)
        if found and shown and _sticks(found[-1], shown[0]):
            shown = f"\\ {shown}"
        found += shown
    return found.split("\n")


def _sticks(before: str, after: str) -> bool:
    """Whether code touches a letter, which markup allows only with an empty space between."""
    return (before == "`" and after.isalnum()) or (before.isalnum() and after == "`")


def _escaped(part: str) -> str:
    if CODE.fullmatch(part):
        joined = re.sub(r"\s*\n\s*", " ", part)
        return f"`{joined}`"
    lines = []
    for line in part.split("\n"):
        if line.startswith(BLOCK):
            lines.append(line.removeprefix(BLOCK))
            continue
        argument = ARGUMENT.match(line)
        start = argument[0] if argument else ""
        bullet = re.match(r"^\s*\* ", line)
        if bullet:
            start = bullet[0]
        lines.append(start + MARKUP.sub(r"\\\1\2", line[len(start) :]))
    return "\n".join(lines)


BLOCK = "\0"


def _literal_blocks(lines: list[str]) -> list[str]:
    """Mark the lines of indented blocks outside of sections, below a "::" of their own."""
    found: list[str] = []
    section = False
    inside = False
    example = False
    for k, line in enumerate(lines):
        indented = line.startswith("  ")
        if line.strip() and not indented:
            section = bool(SECTION.match(line))
            example = line.startswith("Example")
            inside = False
        before = lines[k - 1] if k else ""
        if indented and not section and not inside and not before.strip():
            found += ["::", ""]
            inside = True
        if indented and (inside or (section and example)):
            found.append(BLOCK + line.replace("`", "'"))
        else:
            found.append(line)
    return found


def without_ranges(signature: str) -> str:
    """A signature whose annotations name types alone: ranges are in the tables of keys.

    Args:
        signature: As autodoc prints it, with `Annotated[int, Range(...)]`.

    Returns:
        The same with `int` there.
    """
    shown = re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", signature)
    while "Annotated[" in shown:
        before, _, rest = shown.partition("Annotated[")
        parts = _until_closed(rest)
        shown = before + parts[0].strip() + rest[sum(map(len, parts)) + len(parts) :]
    return shown


def _until_closed(text: str) -> list[str]:
    """The parts between commas up to the bracket that closes what was opened before the text."""
    parts = [""]
    depth = 0
    for sign in text:
        if sign == "]" and depth == 0:
            break
        if sign == "," and depth == 0:
            parts.append("")
            continue
        depth += (sign in "[({") - (sign in "])}")
        parts[-1] += sign
    return parts
