"""A world file as entries that know their place in it, and the list of what is wrong with them.

Layer: services. Knows TOML and nothing of what the entries mean.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from gridlore.domain.errors import WorldError

TABLES = ("account", "user", "sensor", "grant")
MAX_TITLE = 60
"""How much of its name an entry is told by. [characters]"""

_HEADER = re.compile(r"\s*\[\[\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*\]\]")
_ANY_HEADER = re.compile(r"\s*\[")
_KEY = re.compile(r"\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*=")
_LONG_QUOTES = re.compile(r"\"\"\"|'''")


@dataclass(slots=True)
class Problems:
    """What was found wrong with a file, to be told all at once."""

    file: str
    _found: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, text: str, line: int | None = None, label: str = "") -> None:
        """Note a problem; ``line`` counts from 1, None where it is not known; ``label`` names the entry."""
        place = self.file if line is None else f"{self.file}:{line}"
        self._found.append((line or 0, f"{place}: {label}: " if label else f"{place}: ", text))

    def raise_any(self) -> None:
        """Raise WorldError with all problems, in order of lines, unless there is none."""
        if self._found:
            found = sorted(self._found, key=lambda problem: problem[0])
            message = "\n".join(f"{place}{text}" for _, place, text in found)
            raise WorldError(message, [(line, text) for line, _, text in found])


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands: its name for a reader, its line, and the line of each of its keys."""

    label: str
    line: int | None = None
    key_lines: tuple[tuple[str, int], ...] = ()

    @property
    def reference(self) -> str:
        """How another entry's error message names this one."""
        return self.label if self.line is None else f"{self.label} of line {self.line}"

    def report(self, problems: Problems, text: str, key: str | None = None) -> None:
        """Note a problem of this entry, at the line of ``key`` when that is known."""
        problems.add(text, dict(self.key_lines).get(key or "", self.line), self.label)


@dataclass(frozen=True, slots=True)
class RawEntry:
    """One ``[[table]]`` of the file, as TOML gives it."""

    place: Place
    fields: dict[str, Any]


def read_document(text: str, problems: Problems) -> dict[str, list[RawEntry]]:
    """The entries of each table, in order of the file.

    Raises
    ------
    WorldError
        The text is no TOML.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise WorldError(f"{problems.file}: this is no TOML file: {error}.") from None
    places = _find_places(text)
    for table in document:
        if table not in TABLES:
            problems.add(f"[[{table}]] is unknown. {suggest(table, TABLES, '[[{}]]')}")
    return {table: list(_entries(table, document.get(table, []), places, problems)) for table in TABLES}


def _entries(table: str, raw: object, places: list[_Found], problems: Problems) -> Iterator[RawEntry]:
    if isinstance(raw, dict):
        problems.add(f"[{table}] is written with double brackets, [[{table}]], once for each {table}.")
        return
    if not isinstance(raw, list) or not all(isinstance(fields, dict) for fields in raw):
        problems.add(f"{table} is written as entries that begin with [[{table}]]; got {shown(raw)}.")
        return
    found = [place for place in places if place.table == table]
    for number, fields in enumerate(raw, start=1):
        label = f"[[{table}]] {number}{_title(fields)}"
        if len(found) == len(raw):
            at = found[number - 1]
            yield RawEntry(Place(label, at.line, tuple(at.key_lines)), fields)
        else:
            yield RawEntry(Place(label), fields)


def _title(fields: dict[str, Any]) -> str:
    for key in ("name", "email", "quantity", "from"):
        title = " ".join(str(fields.get(key, "")).split())
        if title:
            return f" ({visible(title[:MAX_TITLE])})"
    return ""


@dataclass(slots=True)
class _Found:
    table: str
    line: int
    key_lines: list[tuple[str, int]] = field(default_factory=list)


def _find_places(text: str) -> list[_Found]:
    """The lines of ``[[table]]`` headers and of the keys below them; TOML readers do not tell them."""
    found: list[_Found] = []
    open_quotes: str | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        inside = open_quotes is not None
        for quotes in _LONG_QUOTES.findall(line):
            if open_quotes is None:
                open_quotes = quotes
            elif open_quotes == quotes:
                open_quotes = None
        if inside:
            continue
        if header := _HEADER.match(line):
            found.append(_Found(header[1], number))
        elif _ANY_HEADER.match(line):
            found.append(_Found("", number))
        elif found and (key := _KEY.match(line)):
            found[-1].key_lines.append((key[1], number))
    return found


def shown(value: object) -> str:
    """A value as it is written in TOML, cut when it is long.

    >>> shown("Roof\\n1"), shown(True), shown(0.5)
    ('"Roof\\\\n1"', 'true', '0.5')
    """
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, str | list | dict):
        text = visible(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 80 else text[:77] + "..."


def visible(text: str) -> str:
    """Text that stays in its line and does nothing to a terminal."""
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)


def suggest(got: str, known: Collection[str], form: str = "{}") -> str:
    """The sentence that names the nearest of the known words, or all of them.

    >>> suggest("senser", ["account", "sensor"], "[[{}]]")
    'Did you mean [[sensor]]?'
    """
    known_words = ", ".join(form.format(word) for word in known)
    return suggest_similar(got, known, form).strip() or f"Known are {known_words}."


def suggest_similar(got: str, known: Collection[str], form: str = "{}") -> str:
    """The sentence that names the nearest of the known words, after a blank; nothing when none is near."""
    by_lower = {word.lower(): word for word in known}
    near = difflib.get_close_matches(got.lower(), by_lower, n=1, cutoff=0.75)
    return f" Did you mean {form.format(by_lower[near[0]])}?" if near else ""
