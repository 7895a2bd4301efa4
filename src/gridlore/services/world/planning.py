"""What a world file would change in a directory, and why it may not.

Layer: services. Pure: a directory's records in, a plan out.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from gridlore.domain.access import Grant
from gridlore.domain.sensors import Account, Sensor, SensorKind, Source, SourceKind, User
from gridlore.domain.timing import format_span, standard_offset
from gridlore.services.accounts import new_token_key
from gridlore.services.world.document import Problems, shown, suggest_similar
from gridlore.services.world.granting import Parties, find_grants
from gridlore.services.world.reading import SensorEntry, UserEntry, World
from gridlore.store.interface import DirectoryRecords

Record = TypeVar("Record", Account, User, Source, Sensor, Grant)


@dataclass(frozen=True, slots=True)
class Change(Generic[Record]):
    """A record as it is (None: not there) and as it shall be; the same when nothing differs."""

    title: str
    old: Record | None
    new: Record


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in order of the file; ``users`` and ``sources`` match ``world.users`` one by one."""

    world: World
    accounts: tuple[Change[Account], ...]
    users: tuple[Change[User], ...]
    sources: tuple[Change[Source], ...]
    sensors: tuple[Change[Sensor], ...]
    grants: tuple[Change[Grant], ...]


def make_plan(world: World, records: DirectoryRecords, with_data: Collection[int], year: int) -> Plan:
    """What ``world`` changes in a directory; passwords are left as they are.

    Parameters
    ----------
    with_data : set of int
        Ids of sensors about which something is known: their unit, resolution and grid stay.
    year : int
        See apply_world.

    Raises
    ------
    WorldError
        With a line for every problem.
    """
    problems = Problems(world.file)
    accounts = _plan_accounts(world, records.accounts)
    users = _plan_users(world, records, accounts, problems)
    sources = _plan_sources(users, records.sources)
    planner = _SensorPlanner(records, users, with_data, year, problems)
    sensors = planner.plan(world.sensors)
    parties = Parties(_account_ids(records, accounts), planner.connections(sensors))
    grants = tuple(
        Change(title, old, new)
        for title, old, new in find_grants(world.grants, records.grants, parties, problems)
    )
    problems.raise_any()
    return Plan(world, accounts, users, sources, sensors, grants)


def _account_ids(records: DirectoryRecords, accounts: Iterable[Change[Account]]) -> dict[str, int]:
    """Ids by name, of the accounts that there will be."""
    known = {account.name: account.id for account in records.accounts}
    return known | {change.new.name: change.new.id for change in accounts}


def _ids_after(
    records: Sequence[Account] | Sequence[User] | Sequence[Source] | Sequence[Sensor],
) -> Iterator[int]:
    highest = max((record.id for record in records), default=0)
    while True:
        highest += 1
        yield highest


def _plan_accounts(world: World, known: Sequence[Account]) -> tuple[Change[Account], ...]:
    by_name = {account.name: account for account in known}
    ids = _ids_after(known)
    changes = []
    for entry in world.accounts:
        old = by_name.get(entry.name)
        new = Account(old.id if old else next(ids), entry.name, entry.roles)
        changes.append(Change(f"account {entry.name}", old, new))
    return tuple(changes)


def _plan_users(
    world: World, records: DirectoryRecords, accounts: Iterable[Change[Account]], problems: Problems
) -> tuple[Change[User], ...]:
    account_ids = _account_ids(records, accounts)
    by_email = {user.email: user for user in records.users}
    ids = _ids_after(records.users)
    changes = []
    for entry in world.users:
        if entry.account not in account_ids:
            entry.place.report(problems, _unknown("account", entry.account, account_ids), "account")
        old = by_email.get(entry.email)
        account_id = account_ids.get(entry.account, 0)
        new = _new_user(entry, account_id, next(ids)) if old is None else old
        new = replace(new, name=entry.name, account_id=account_id, roles=entry.roles)
        changes.append(Change(f"user {entry.email}", old, new))
    return tuple(changes)


def _new_user(entry: UserEntry, account_id: int, user_id: int) -> User:
    return User(user_id, entry.email, entry.name, account_id, entry.roles, True, None, new_token_key())


def _unknown(what: str, got: str, known: Collection[str]) -> str:
    return (
        f"{what} names one of this file or of the database; got {shown(got)}, which is in neither."
        f"{suggest_similar(got, known)}"
    )


def _plan_sources(users: Iterable[Change[User]], known: Sequence[Source]) -> tuple[Change[Source], ...]:
    by_user = {source.user_id: source for source in known if source.kind is SourceKind.USER}
    ids = _ids_after(known)
    changes = []
    for user in users:
        old = by_user.get(user.new.id)
        new = Source(old.id if old else next(ids), SourceKind.USER, user.new.name, user.new.id)
        changes.append(Change(f"source {user.new.name}", old, new))
    return tuple(changes)


class _SensorPlanner:
    """Finds the sensor each entry is about, in the directory as it will be once its users have changed."""

    def __init__(
        self,
        records: DirectoryRecords,
        users: Iterable[Change[User]],
        with_data: Collection[int],
        year: int,
        problems: Problems,
    ) -> None:
        self._users = {user.id: user for user in records.users} | {user.new.id: user.new for user in users}
        self._by_email = {user.email: user for user in self._users.values()}
        self._with_data = with_data
        self._year = year
        self._problems = problems
        self._ids = _ids_after(records.sensors)
        self._known = self._by_identity(records)

    def _by_identity(self, records: DirectoryRecords) -> dict[Hashable, Sensor]:
        found: dict[Hashable, Sensor] = {}
        for sensor in records.sensors:
            owner = None if sensor.owner_id is None else self._users[sensor.owner_id]
            identity = _identity(sensor, owner)
            if identity in found and owner is not None:
                self._problems.add(
                    f"[[user]]: accounts of users cannot change so that one account has two connections with "
                    f"the same name; got two of {shown(sensor.name)}, one of them owned by {owner.email}."
                )
            found[identity] = sensor
        return found

    def plan(self, entries: Iterable[SensorEntry]) -> tuple[Change[Sensor], ...]:
        """The change for each entry whose owner is known."""
        changes = []
        stated: dict[Hashable, SensorEntry] = {}
        for entry in entries:
            owner = self._by_email.get(entry.owner or "")
            if entry.kind is SensorKind.CONNECTION and owner is None:
                entry.place.report(
                    self._problems, _unknown("owner", entry.owner or "", self._by_email), "owner"
                )
                continue
            identity = _identity(entry, owner)
            if identity in stated:
                before = stated[identity].place.reference
                entry.place.report(
                    self._problems, f"this is {before} again, of the same account; state it once."
                )
                continue
            stated[identity] = entry
            changes.append(self._plan_one(entry, owner, self._known.get(identity)))
        return tuple(changes)

    def connections(self, changes: Iterable[Change[Sensor]]) -> dict[tuple[int, str], Sensor]:
        """The connections that there will be, by account and name."""
        sensors = {sensor.id: sensor for sensor in self._known.values()}
        sensors |= {change.new.id: change.new for change in changes}
        return {
            (self._users[sensor.owner_id].account_id, sensor.name): sensor
            for sensor in sensors.values()
            if sensor.owner_id is not None
        }

    def _plan_one(self, entry: SensorEntry, owner: User | None, old: Sensor | None) -> Change[Sensor]:
        if old is not None and (old.timezone, old.resolution) == (entry.timezone, entry.resolution):
            grid_offset = old.grid_offset  # it keeps the standard time of the year in which it was made
        else:
            grid_offset = -standard_offset(entry.timezone, self._year) % entry.resolution
        new = Sensor(
            old.id if old else next(self._ids),
            entry.kind,
            entry.name,
            entry.unit,
            entry.resolution,
            grid_offset,
            entry.timezone,
            owner.id if owner else None,
            entry.direction,
            entry.quantity,
            entry.latitude,
            entry.longitude,
        )
        if old is not None and old.id in self._with_data:
            self._check_fixed(entry, old, new)
        return Change(entry.title, old, new)

    def _check_fixed(self, entry: SensorEntry, old: Sensor, new: Sensor) -> None:
        def refuse(key: str, is_: str, got: str, how: str = "") -> None:
            text = f"{key} of {entry.title} cannot change{how}, because it has data: it is "
            entry.place.report(self._problems, f"{text}{shown(is_)}; got {shown(got)}.", key)

        if old.unit != new.unit:
            refuse("unit", old.unit, new.unit)
        if old.resolution != new.resolution:
            refuse("resolution", format_span(old.resolution), format_span(new.resolution))
        elif old.grid_offset != new.grid_offset:
            refuse("timezone", old.timezone, new.timezone, " so that its events begin at other times")


def _identity(sensor: Sensor | SensorEntry, owner: User | None) -> Hashable:
    if sensor.kind is SensorKind.CONNECTION:
        return (sensor.kind, owner.account_id if owner else None, sensor.name)
    if sensor.kind is SensorKind.MARKET:
        return (sensor.kind, sensor.name)
    return (sensor.kind, sensor.quantity, sensor.latitude, sensor.longitude)
