"""Grants: told in words, revoked, and kept in the record of changes (ADR 011).

Layer: services. Grants are given as worlds are applied (``services/world``). ``now`` is an argument.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from gridlore.domain.access import Grant, access_word
from gridlore.domain.audit import AuditEntry, Facts
from gridlore.domain.errors import UserError
from gridlore.domain.sensors import User
from gridlore.store.interface import DirectoryRecords, DirectoryTransaction

ALL_CONNECTIONS = "all connections"


@dataclass(frozen=True, slots=True)
class ToldGrant:
    """A grant in words."""

    id: int
    giver: str
    taker: str
    access: str
    connections: str

    @property
    def facts(self) -> Facts:
        """What the record of changes has of it."""
        return {"to": self.taker, "may": self.access, "connections": self.connections}


def tell_grants(records: DirectoryRecords, grants: Collection[Grant]) -> list[ToldGrant]:
    """These grants in words, in the same order."""
    accounts = {account.id: account.name for account in records.accounts}
    sensors = {sensor.id: sensor.name for sensor in records.sensors}
    return [
        ToldGrant(
            grant.id,
            accounts[grant.from_account_id],
            accounts[grant.to_account_id],
            access_word(grant.access),
            ALL_CONNECTIONS if grant.sensor_id is None else sensors[grant.sensor_id],
        )
        for grant in grants
    ]


def revoke_grant(transaction: DirectoryTransaction, grant_id: int, now: int, actor: User | str) -> ToldGrant:
    """End a grant; ``actor`` as text: somebody on the command line.

    Raises
    ------
    UserError
        There is no such grant.
    """
    records = transaction.records()
    found = [grant for grant in records.grants if grant.id == grant_id]
    if not found:
        raise UserError(f"There is no grant {grant_id}, or it was revoked already.")
    transaction.save_grant(replace(found[0], revoked_at=now))
    (told,) = tell_grants(records, found)
    record_grant(transaction, found[0], told, None, now, actor)
    return told


def record_grant(
    transaction: DirectoryTransaction,
    grant: Grant,
    before: ToldGrant | None,
    after: ToldGrant | None,
    now: int,
    actor: User | str,
) -> None:
    """Keep in the record that a grant was given, changed or (``after`` None) revoked."""
    told = after or before
    transaction.record(
        AuditEntry(
            recorded_at=now,
            user_id=actor.id if isinstance(actor, User) else None,
            actor="" if isinstance(actor, User) else actor,
            action="revoke access" if after is None else "give access",
            subject="account",
            subject_id=grant.from_account_id,
            title=f"account {told.giver}" if told else "",
            before=before.facts if before else None,
            after=after.facts if after else None,
        )
    )
