"""Bring a world about: compare what a world file states with the directory, and change what differs.

Layer: services. One directory transaction; a world with a problem changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gridlore.domain.access import Grant
from gridlore.domain.audit import AuditEntry
from gridlore.domain.sensors import User
from gridlore.domain.timing import to_datetime
from gridlore.services.accounts import new_token_key
from gridlore.services.grants import record_grant, tell_grants
from gridlore.services.world.planning import Change, Plan, Record, make_plan
from gridlore.services.world.reading import World
from gridlore.store.interface import DirectoryRecords, DirectoryTransaction, Store


@dataclass(frozen=True, slots=True)
class WorldSummary:
    """What applying a world did, as titles like ``connection CS 1``, in order of the file."""

    created: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: tuple[str, ...]


class PasswordHashes:
    """Hashes of the passwords of a world file; each is computed once, since that is slow by design.

    ``hash_password`` gives the hash of a password; ``verify_password`` says of a hash and a password
    whether they fit.
    """

    def __init__(
        self, hash_password: Callable[[str], str], verify_password: Callable[[str, str], bool]
    ) -> None:
        self._hash = hash_password
        self._verify = verify_password
        self._renewed: dict[tuple[str, str | None], str] = {}

    def renew(self, email: str, old_hash: str | None, password: str) -> str:
        """The hash to keep for a user: the old one as long as the password fits it."""
        key = (email, old_hash)
        if key not in self._renewed:
            fits = old_hash is not None and self._verify(old_hash, password)
            self._renewed[key] = old_hash if fits and old_hash else self._hash(password)
        return self._renewed[key]


def apply_world(
    store: Store,
    world: World,
    *,
    hash_password: Callable[[str], str],
    verify_password: Callable[[str, str], bool],
    now: int,
    actor: str = "",
    entry: AuditEntry | None = None,
) -> WorldSummary:
    """Create or update what ``world`` states; what it does not mention stays as it is.

    Ids are given in order of the file, from the highest in use up. Where nothing differs nothing is
    written, and a password that still fits is not hashed anew.

    Parameters
    ----------
    verify_password : callable
        Whether a hash (first) and a password fit.
    now : int
        A new sensor's grid keeps the standard time that its zone has in this year; grants are recorded at
        this time. [µs since epoch]
    actor : str
        Who does this, for the record of grants.
    entry : AuditEntry, optional
        Recorded, with what was created and updated, unless nothing was.

    Raises
    ------
    WorldError
        With a line for every problem that shows only beside the directory; nothing was changed.
    """
    hashes = PasswordHashes(hash_password, verify_password)
    year = to_datetime(now).year
    # A first plan finds most problems, and has the passwords hashed before the transaction makes others wait.
    with_passwords(make_plan(world, store.read_directory(), set(), year), hashes)
    with store.change_directory() as transaction:
        plan = make_plan(world, transaction.records(), transaction.sensors_with_data(), year)
        plan = with_passwords(plan, hashes)
        carry_out(plan, transaction, now, actor)
        summary = summarise(plan)
        if entry is not None and (summary.created or summary.updated):
            facts = {"created": ", ".join(summary.created), "updated": ", ".join(summary.updated)}
            transaction.record(replace(entry, after={name: told for name, told in facts.items() if told}))
    return summary


def with_passwords(plan: Plan, hashes: PasswordHashes) -> Plan:
    """The plan with the hash of each password the file states; a new password ends all tokens."""

    def renewed(change: Change[User], password: str | None) -> Change[User]:
        old_hash = change.new.password_hash
        new_hash = old_hash if password is None else hashes.renew(change.new.email, old_hash, password)
        if new_hash == old_hash:
            return change
        return replace(change, new=replace(change.new, password_hash=new_hash, token_key=new_token_key()))

    passwords = (entry.password for entry in plan.world.users)
    return replace(plan, users=tuple(map(renewed, plan.users, passwords)))


def carry_out(plan: Plan, transaction: DirectoryTransaction, now: int, actor: str) -> None:
    """Write what the plan changes: accounts before their users, users before their sources and sensors.

    Grants, which open one account's data to another, are recorded too.
    """
    for account in _differing(plan.accounts):
        transaction.save_account(account)
    for user in _differing(plan.users):
        transaction.save_user(user)
    for source in _differing(plan.sources):
        transaction.save_source(source)
    for sensor in _differing(plan.sensors):
        transaction.save_sensor(sensor)
    given = [change for change in plan.grants if change.old != change.new]
    if given:
        records = transaction.records()
        for change in given:
            _give(change, records, transaction, now, actor)


def _give(
    change: Change[Grant],
    records: DirectoryRecords,
    transaction: DirectoryTransaction,
    now: int,
    actor: str,
) -> None:
    saved = transaction.save_grant(change.new)
    (after,) = tell_grants(records, [saved])
    before = tell_grants(records, [change.old])[0] if change.old else None
    record_grant(transaction, saved, before, after, now, actor)


def _differing(changes: tuple[Change[Record], ...]) -> list[Record]:
    return [change.new for change in changes if change.old != change.new]


def summarise(plan: Plan) -> WorldSummary:
    """What became, or would become, of each entry."""
    told: list[tuple[str, object, object]] = []
    told += [(change.title, change.old, change.new) for change in plan.accounts]
    told += [(change.title, change.old, change.new) for change in plan.users]
    told += [(change.title, change.old, change.new) for change in plan.sensors]
    told += [(change.title, change.old, change.new) for change in plan.grants]
    return WorldSummary(
        created=tuple(title for title, old, _ in told if old is None),
        updated=tuple(title for title, old, new in told if old is not None and old != new),
        unchanged=tuple(title for title, old, new in told if old == new),
    )
