"""What the grants of a world file change in a directory.

Layer: services. Pure: the directory as it will be once the rest of the file has changed it, and a plan out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gridlore.domain.access import Grant
from gridlore.domain.sensors import Sensor
from gridlore.services.world.document import Problems, shown, suggest_similar
from gridlore.services.world.reading import GrantEntry

Identity = tuple[int, int, int | None]
"""Whose connections, for whom, which (None: all): what a grant is known by."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Ids of accounts by name, and connections by account and name."""

    accounts: Mapping[str, int]
    connections: Mapping[tuple[int, str], Sensor]


def find_grants(
    entries: Sequence[GrantEntry], known: Sequence[Grant], parties: Parties, problems: Problems
) -> Iterator[tuple[str, Grant | None, Grant]]:
    """For each grant that is stated, its title, as it is (None: not there) and as it shall be.

    Notes as problems what names no account or connection, and what is stated twice.
    """
    by_identity: dict[Identity, Grant] = {
        (grant.from_account_id, grant.to_account_id, grant.sensor_id): grant for grant in known
    }
    stated: dict[Identity, GrantEntry] = {}
    for entry in entries:
        for name, identity in _find_identities(entry, parties, problems):
            if identity in stated:
                text = f"this is {stated[identity].place.reference} again; state it once."
                entry.place.report(problems, text)
                continue
            stated[identity] = entry
            old = by_identity.get(identity)
            giver, taker, sensor_id = identity
            new = Grant(0, giver, taker, entry.access, sensor_id)
            title = f"grant of {name} from {entry.giver} to {entry.taker}"
            yield title, old, new if old is None else replace(old, access=entry.access)


def _find_identities(
    entry: GrantEntry, parties: Parties, problems: Problems
) -> Iterator[tuple[str, Identity]]:
    """What the entry is about, one connection after the other, each with its name."""
    giver, taker = parties.accounts.get(entry.giver), parties.accounts.get(entry.taker)
    for key, name, account_id in (("from", entry.giver, giver), ("to", entry.taker, taker)):
        if account_id is None:
            entry.place.report(
                problems,
                f"{key} names an account of this file or of the database; got {shown(name)}, which is in "
                f"neither.{suggest_similar(name, parties.accounts)}",
                key,
            )
    if giver is None or taker is None:
        return
    if giver == taker:
        entry.place.report(
            problems, f"to is another account than from; got {shown(entry.taker)} twice.", "to"
        )
    elif entry.connections is None:
        yield "all connections", (giver, taker, None)
    for name in entry.connections or ():
        connection = parties.connections.get((giver, name))
        if connection is None:
            own = [known for account_id, known in parties.connections if account_id == giver]
            entry.place.report(
                problems,
                f"connections has {shown(name)}, which is no connection of {entry.giver}."
                f"{suggest_similar(name, own)}",
                "connections",
            )
        else:
            yield name, (giver, taker, connection.id)
