"""Singular and plural keys, and groups: who is meant, and what is said for all of them.

Layer: wire. Works on decoded fields alike, whether they came from a body or from a query string.
"""

from __future__ import annotations

from functools import lru_cache

from gridlore.domain.errors import ConnectionGroupError, GridloreError
from gridlore.wire.bodies import Fields
from gridlore.wire.quoting import ABSENT, shown


@lru_cache
def plural(noun: str) -> str:
    """The key that names several."""
    return f"{noun}s"


def place(number: int) -> str:
    """How messages call a group, by its number; 0 is the message itself."""
    return f"group {number} (counted from 1)" if number else "the message"


def either(fields: Fields, noun: str, error: type[GridloreError], number: int = 0) -> object:
    """What stands under the singular or the plural key; ABSENT when there is neither.

    ``number`` is the group's whose fields these are; 0 is the message.

    Raises
    ------
    GridloreError
        ``error``, when there are both.

    >>> either({"values": [1]}, "value", ConnectionGroupError)
    [1]
    """
    several = plural(noun)
    if several not in fields:
        return fields.get(noun, ABSENT)
    if noun in fields:
        raise error(f"Either {noun!r} or {several!r} should be given, not both; {place(number)} has both.")
    return fields[several]


def stated_groups(message: Fields) -> list[tuple[int, Fields]]:
    """The groups that are objects, numbered from 1; none when ``groups`` is something else."""
    groups = message.get("groups")
    if not isinstance(groups, list):
        return []
    return [(number, group) for number, group in enumerate(groups, 1) if isinstance(group, dict)]


def for_all(message: Fields, key: str, error: type[GridloreError]) -> object:
    """A field that is one for the whole message; ABSENT when it is not there.

    Raises
    ------
    GridloreError
        ``error``, when a group states another one: it would be dropped silently.
    """
    value = message.get(key, ABSENT)
    groups = message.get("groups")
    for number, group in enumerate(groups, 1) if isinstance(groups, list) else ():
        if isinstance(group, dict) and key in group and not _is_same(group[key], value):
            raise error(
                f"The {key} is one for the whole message, stated outside the groups; group {number} states "
                f"{shown(group[key])}, the message {shown(value)}. Send messages apart where they differ."
            )
    return value


def _is_same(own: object, value: object) -> bool:
    """Whether a group repeats what the message says; lists, which may be nested deeply, are not compared."""
    return own is value or (isinstance(own, str | int) and type(own) is type(value) and own == value)


def find_groups(message: Fields, noun: str, *, valued: bool) -> list[tuple[tuple[str, ...], Fields]]:
    """Each group's addresses, and its own fields; a message without groups is one group.

    Parameters
    ----------
    noun : str
        The key that names sensors: connection, market or sensor.
    valued : bool
        Whether groups carry values (in a post).

    Raises
    ------
    ConnectionGroupError
        Sensors are missing, empty or no texts, or it is ambiguous which are meant.
    """
    outer = either(message, noun, ConnectionGroupError)
    groups = message.get("groups", ABSENT)
    if groups is ABSENT:
        return [(_read_addresses(outer, noun, 0), message)]
    if not isinstance(groups, list) or not groups:
        raise ConnectionGroupError(f"groups should be a list of at least one object; got {shown(groups)}.")
    found = []
    shared: tuple[str, ...] | None = None
    for number, group in enumerate(groups, 1):
        if not isinstance(group, dict):
            raise ConnectionGroupError(
                f"Each of the groups should be an object; {place(number)} is {shown(group)}."
            )
        if "groups" in group:
            raise ConnectionGroupError(f"Groups cannot be nested; {place(number)} has groups of its own.")
        own = either(group, noun, ConnectionGroupError, number)
        if outer is ABSENT:
            found.append((_read_addresses(own, noun, number), group))
            continue
        _check_empty(group, noun, number, valued=valued)
        if shared is None:  # read once: a thousand groups may be about a thousand sensors each
            shared = _read_addresses(outer, noun, number)
        found.append((shared, group))
    return found


def _check_empty(group: Fields, noun: str, number: int, *, valued: bool) -> None:
    keys = (noun, plural(noun), *(("value", "values") if valued else ()))
    for key in keys:
        if key in group:
            raise ConnectionGroupError(
                f"It is ambiguous which {plural(noun)} are meant: the message names some outside its groups, "
                f"and {place(number)} has {key!r} of its own. Name the {plural(noun)} in each group."
            )


def _read_addresses(named: object, noun: str, number: int) -> tuple[str, ...]:
    if isinstance(named, str) and named:
        return (named,)
    addresses = named if isinstance(named, list) else [named]
    if not addresses:
        raise ConnectionGroupError(f"At least one {noun} should be named; {place(number)} has an empty list.")
    for address in addresses:
        if not isinstance(address, str) or not address:
            got = "an empty text" if address == "" else shown(address)
            if address is ABSENT:
                got = f"no {noun!r}"
            raise ConnectionGroupError(
                f"A {noun} should be named by a text, its entity address or name; {place(number)} has {got}."
            )
    return tuple(addresses)
