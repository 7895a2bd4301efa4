"""Read the fields of one entry of a world file, noting everything that is wrong with them.

Layer: services. A field that cannot be used is noted as a problem and read as an empty value of its type,
so that the rest of the entry is checked too; nothing read from a file with problems is ever used.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zoneinfo
from collections.abc import Callable, Collection
from functools import cache

from gridlore.domain.addresses import local_part
from gridlore.domain.errors import ResolutionError
from gridlore.domain.timing import DAY
from gridlore.services.world.document import Place, Problems, RawEntry, shown, suggest, suggest_similar

MAX_NAME = 200
"""Longest name of anything. [characters]"""

MAX_PASSWORD = 1000
"""Longest password that a log-in takes. [characters]"""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_NOT_IN_NAMES = {"Cc", "Cs", "Zl", "Zp"}
_PREFIXES = ("fm0.", "fm1.")


class FieldReader:
    """The fields of one entry; see the module for what happens to wrong ones."""

    def __init__(self, entry: RawEntry, problems: Problems) -> None:
        self.place: Place = entry.place
        self._fields = entry.fields
        self._problems = problems

    def report(self, text: str, key: str | None = None) -> None:
        """Note a problem with this entry, or with one of its fields."""
        self.place.report(self._problems, text, key)

    def has(self, key: str) -> bool:
        """Whether the field is there."""
        return key in self._fields

    def check_keys(self, known: Collection[str], what: str) -> None:
        """Note every field that ``what`` (a sort of entry, with its article) does not have."""
        for key in self._fields:
            if key not in known:
                self.report(f"{key} is no field of {what}. {suggest(key, known)}", key)

    def text(self, key: str, right: str, default: str | None = None) -> str:
        """Any text that is not blank; ``right`` says in an error what would be right."""
        if key not in self._fields:
            if default is None:
                self.report(f"{key} is missing; it is {right}.")
            return default or ""
        value = self._fields[key]
        if not isinstance(value, str) or not value.strip():
            self.report(f"{key} is {right}; got {shown(value)}.", key)
            return ""
        return value

    def name(self, key: str, example: str, *, default: str | None = None, addressed: bool = False) -> str:
        """A name: short, visible, and not to be mistaken for an address.

        ``addressed``: it becomes part of entity addresses as it stands.
        """
        value = self.text(key, f'a text like "{example}"', default)
        for complaint in _name_complaints(value, addressed=addressed) if self.has(key) else ():
            self.report(f"{key} {complaint}; got {shown(value)}.", key)
        return value

    def password(self, key: str) -> str | None:
        """A password; never shown."""
        value = self._fields[key]
        if not isinstance(value, str) or not 0 < len(value) <= MAX_PASSWORD:
            right = f"a text of 1 to {MAX_PASSWORD} characters; for a user who cannot log in, leave it out"
            self.report(f"{key} is {right}.", key)
            return None
        return value

    def email(self, key: str) -> str:
        """An e-mail address, in lower case."""
        value = self.text(key, 'an e-mail address like "ann@example.com"')
        if value and (not _EMAIL.fullmatch(value) or [*_name_complaints(value, addressed=False)]):
            self.report(f'{key} is an e-mail address like "ann@example.com"; got {shown(value)}.', key)
        return value.lower()

    def words(self, key: str, known: Collection[str]) -> frozenset[str]:
        """A list of known words; empty when the field is absent."""
        value = self._fields.get(key, [])
        if not isinstance(value, list):
            self.report(f'{key} is a list like ["{next(iter(known))}"]; got {shown(value)}.', key)
            return frozenset()
        for word in value:
            if word not in known:
                self.report(f"{key} has {shown(word)}, which is none. {suggest(str(word), known)}", key)
        return frozenset(str(word) for word in value)

    def names(self, key: str, example: str) -> tuple[str, ...] | None:
        """A list of names; None when the field is absent."""
        if key not in self._fields:
            return None
        value = self._fields[key]
        if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
            self.report(f'{key} is a list of names like ["{example}"]; got {shown(value)}.', key)
            return ()
        return tuple(value)

    def choice(self, key: str, known: Collection[str], default: str | None = None) -> str:
        """One of the known words."""
        right = f"one of {', '.join(known)}"
        value = self.text(key, right, default)
        if value and value not in known:
            self.report(f"{key} is {right}; got {shown(value)}.{suggest_similar(value, known)}", key)
            return ""
        return value

    def degrees(self, key: str, limit: int) -> float:
        """A number between -limit and limit."""
        right = f"a number of degrees from -{limit} to {limit}"
        if key not in self._fields:
            self.report(f"{key} is missing; it is {right}.")
            return math.nan
        value = self._fields[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= limit:
            self.report(f"{key} is {right}; got {shown(value)}.", key)
            return math.nan
        return float(value) + 0.0

    def resolution(self, key: str, parse_resolution: Callable[[object], int]) -> int:
        """Microseconds of an ISO 8601 duration that divides a day; a day when it cannot be used."""
        right = 'an ISO 8601 duration that divides a day, like "PT15M" or "PT1H"'
        value = self.text(key, right)
        if not value:
            return DAY
        try:
            resolution = parse_resolution(value)
        except ResolutionError:
            resolution = 0
        if resolution <= 0 or DAY % resolution:
            self.report(f"{key} is {right}; got {shown(value)}.", key)
            return DAY
        return resolution

    def timezone(self, key: str) -> str:
        """A time zone's IANA name; UTC when it is absent or cannot be used."""
        value = self.text(key, 'a time zone like "Europe/Amsterdam"', "UTC")
        if value and value not in _timezones():
            self.report(
                f"{key} is a time zone of the IANA database, like Europe/Amsterdam; got {shown(value)}."
                f"{suggest_similar(value, sorted(_timezones()))}",
                key,
            )
            return "UTC"
        return value or "UTC"


def _name_complaints(name: str, *, addressed: bool) -> list[str]:
    complaints = []
    if len(name) > MAX_NAME:
        complaints.append(f"has at most {MAX_NAME} characters, not {len(name)}")
    if any(unicodedata.category(character) in _NOT_IN_NAMES for character in name):
        complaints.append("has no line breaks and no other control characters")
    if name != name.strip():
        complaints.append("has no blanks at its ends")
    if local_part(name) is not None:
        complaints.append("must not look like an entity address")
    if addressed and ":" in name:
        complaints.append("must be without ':', which separates the parts of its address")
    if addressed and name.startswith(_PREFIXES):
        complaints.append(f"must not begin with {' or '.join(_PREFIXES)}, which addresses begin with")
    return complaints


@cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
