"""Edits of one account, user or sensor: what they would make of the directory, or why they cannot.

Layer: services. Pure. A form's fields are read and planned as an entry of a world file, so that one set of
rules holds for both; what a world file cannot say (another name for the same thing) is said here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.audit import Facts
from gridlore.domain.errors import GridloreError, WorldError
from gridlore.domain.sensors import ADMIN, Account, Sensor, SensorKind, Source, User
from gridlore.domain.timing import format_span
from gridlore.services.accounts import new_token_key
from gridlore.services.world.document import TABLES, Place, Problems, RawEntry
from gridlore.services.world.planning import Change, Record, make_plan
from gridlore.services.world.reading import ResolutionParser, SensorEntry, World, read_entries
from gridlore.store.interface import DirectoryRecords, DirectoryTransaction

PLACE_FIELDS = ("quantity", "latitude", "longitude")


class Subject(StrEnum):
    """What sort of thing an edit is about; the tables of a world file."""

    ACCOUNT = "account"
    USER = "user"
    SENSOR = "sensor"


class EditError(GridloreError):
    """An edit cannot be made. ``problems``: a sentence by field; under "" what is about none."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


@dataclass(frozen=True, slots=True)
class Edit:
    """The fields that an account, user or sensor shall have; ``id`` None: a new one.

    The fields are those of a world file's entries; a user has ``active`` besides. A field that is absent
    takes what is usual in a world file.
    """

    subject: Subject
    id: int | None
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class EditPlan:
    """A record as it is and as it shall be; a user comes with its source."""

    title: str
    old: Account | User | Sensor | None
    new: Account | User | Sensor
    source: Source | None = None

    @property
    def id(self) -> int:
        """The id of what is changed or made."""
        return self.new.id

    @property
    def user(self) -> User | None:
        """The user as it shall be, if it is about one."""
        return self.new if isinstance(self.new, User) else None

    def records_after(self, records: DirectoryRecords) -> DirectoryRecords:
        """The directory as it will be."""
        match self.new:
            case Account():
                return replace(records, accounts=_with(records.accounts, self.new))
            case User():
                return replace(records, users=_with(records.users, self.new))
            case Sensor():
                return replace(records, sensors=_with(records.sensors, self.new))

    def carry_out(self, transaction: DirectoryTransaction) -> None:
        """Write it."""
        match self.new:
            case Account():
                transaction.save_account(self.new)
            case User():
                transaction.save_user(self.new)
            case Sensor():
                transaction.save_sensor(self.new)
        if self.source is not None:
            transaction.save_source(self.source)


def plan_edit(
    edit: Edit,
    records: DirectoryRecords,
    with_data: Collection[int],
    year: int,
    parse_resolution: ResolutionParser,
) -> EditPlan:
    """What an edit makes of the directory.

    Parameters
    ----------
    with_data : set of int
        Ids of sensors about which something is known: their unit, resolution, grid and place stay.
    year : int
        A new sensor's grid keeps the standard time of its zone in this calendar year.

    Raises
    ------
    EditError
        With a sentence for every field that is wrong.
    """
    given = {name: value for name, value in edit.fields.items() if name != "active"}
    keys = tuple(given)
    place = Place(edit.subject.value, None, tuple((key, number) for number, key in enumerate(keys, start=1)))
    raw: dict[str, list[RawEntry]] = {table: [] for table in TABLES}
    raw[edit.subject.value] = [RawEntry(place, given)]
    try:
        world = read_entries(raw, Problems("form"), {}, parse_resolution)
        match edit.subject:
            case Subject.ACCOUNT:
                return _plan_account(edit, world, records)
            case Subject.USER:
                return _plan_user(edit, world, records, with_data, year)
            case Subject.SENSOR:
                return _plan_sensor(edit, world, records, with_data, year)
    except WorldError as error:
        raise EditError(_by_field(error, keys)) from None


def _by_field(error: WorldError, keys: Sequence[str]) -> dict[str, str]:
    """The problems of a world, by field; of a missing field the sentence begins with its name."""
    problems: dict[str, str] = {}
    for number, text in error.problems:
        first = text.split(" ", 1)[0]
        key = keys[number - 1] if number else first if " is missing" in text else ""
        told = text.removeprefix("[[user]]: ")
        sentence = told[:1].upper() + told[1:]
        problems[key] = f"{problems[key]} {sentence}" if key in problems else sentence
    return problems


def _plan_account(edit: Edit, world: World, records: DirectoryRecords) -> EditPlan:
    (entry,) = world.accounts
    taken = {account.name: account.id for account in records.accounts}
    if taken.get(entry.name, edit.id) != edit.id:
        raise EditError({"name": f'There is an account with the name "{entry.name}" already.'})
    old = _find(records.accounts, edit.id)
    if old is None:
        (change,) = make_plan(world, records, (), 0).accounts
        return EditPlan(change.title, None, change.new)
    return EditPlan(f"account {entry.name}", old, Account(old.id, entry.name, entry.roles))


def _plan_user(
    edit: Edit, world: World, records: DirectoryRecords, with_data: Collection[int], year: int
) -> EditPlan:
    (entry,) = world.users
    known = {user.email: user.id for user in records.users}
    if known.get(entry.email, edit.id) != edit.id:
        raise EditError({"email": f"There is a user with the e-mail {entry.email} already."})
    if entry.account not in {account.name for account in records.accounts}:
        raise EditError({"account": f'There is no account with the name "{entry.account}".'})
    old = _find(records.users, edit.id)
    if old is not None and old.email != entry.email:
        raise EditError({"email": f"A user's e-mail cannot change; it is {old.email}. Make a new user."})
    plan = make_plan(world, records, with_data, year)
    new = replace(plan.users[0].new, active=edit.fields.get("active", True) is True)
    if not new.active:
        new = replace(new, token_key=new_token_key())  # or old tokens would count again once the user does
    return EditPlan(plan.users[0].title, old, new, plan.sources[0].new)


def _plan_sensor(
    edit: Edit, world: World, records: DirectoryRecords, with_data: Collection[int], year: int
) -> EditPlan:
    (entry,) = world.sensors
    if entry.owner is not None and entry.owner not in {user.email for user in records.users}:
        raise EditError({"owner": f"There is no user with the e-mail {entry.owner}."})
    old = _find(records.sensors, edit.id)
    if old is None:
        change = _plan_one(world, records, with_data, year)
        if change.old is not None:
            raise EditError({_naming_field(entry.kind): _taken(entry)})
        return EditPlan(change.title, None, change.new)
    if entry.kind is not old.kind:
        raise EditError({"kind": f"A {old.kind} stays one; got {entry.kind}. Make a new sensor."})
    if old.id in with_data:
        _check_place(entry, old)
    others = replace(records, sensors=[sensor for sensor in records.sensors if sensor.id != old.id])
    if _plan_one(world, others, (), year).old is not None:
        raise EditError({_naming_field(entry.kind): _taken(entry)})
    # Named as the entry is, the sensor is the one that the entry is about.
    renamed = replace(
        old,
        name=entry.name if entry.kind is not SensorKind.WEATHER else old.name,
        owner_id=next((user.id for user in records.users if user.email == entry.owner), None),
        quantity=entry.quantity,
        latitude=entry.latitude,
        longitude=entry.longitude,
    )
    change = _plan_one(world, replace(records, sensors=_with(records.sensors, renamed)), with_data, year)
    return EditPlan(change.title, old, change.new)


def _plan_one(
    world: World, records: DirectoryRecords, with_data: Collection[int], year: int
) -> Change[Sensor]:
    (change,) = make_plan(world, records, with_data, year).sensors
    return change


def _check_place(entry: SensorEntry, old: Sensor) -> None:
    for field in PLACE_FIELDS:
        if getattr(entry, field) != getattr(old, field):
            raise EditError(
                {field: f"The {field} cannot change, because the sensor has data. Make a new sensor."}
            )


def _naming_field(kind: SensorKind) -> str:
    return "quantity" if kind is SensorKind.WEATHER else "name"


def _taken(entry: SensorEntry) -> str:
    match entry.kind:
        case SensorKind.CONNECTION:
            return f'The owner\'s account has a connection with the name "{entry.name}" already.'
        case SensorKind.MARKET:
            return f'There is a market with the name "{entry.name}" already.'
        case SensorKind.WEATHER:
            return f"There is a sensor of {entry.quantity} at this place already."


def _find(records: Sequence[Record], record_id: int | None) -> Record | None:
    return next((record for record in records if record.id == record_id), None)


def _with(records: Sequence[Record], changed: Record) -> list[Record]:
    """The records with one changed, or added."""
    after = [changed if record.id == changed.id else record for record in records]
    if _find(records, changed.id) is None:
        after.append(changed)
    return after


def describe(record: Account | User | Sensor, records: DirectoryRecords, authority: NamingAuthority) -> Facts:
    """What is told of a record, in words; of a user no password."""
    match record:
        case Account():
            return {"name": record.name, "roles": ", ".join(sorted(record.roles)) or "none"}
        case User():
            account = _find(records.accounts, record.account_id)
            return {
                "e-mail": record.email,
                "name": record.name,
                "account": account.name if account else "",
                "administrator": "yes" if ADMIN in record.roles else "no",
                "state": "active" if record.active else "deactivated",
            }
        case Sensor():
            return _describe_sensor(record, records, authority)


def _describe_sensor(sensor: Sensor, records: DirectoryRecords, authority: NamingAuthority) -> Facts:
    facts = {"kind": sensor.kind.value, "name": sensor.name, "address": authority.address(sensor)}
    if sensor.kind is SensorKind.CONNECTION:
        owner = _find(records.users, sensor.owner_id)
        facts |= {"owner": owner.email if owner else "", "direction": sensor.direction.value}
    if sensor.kind is SensorKind.WEATHER:
        facts |= {
            "quantity": str(sensor.quantity),
            "latitude": repr(sensor.latitude),
            "longitude": repr(sensor.longitude),
        }
    return {
        **facts,
        "unit": sensor.unit,
        "resolution": format_span(sensor.resolution),
        "time zone": sensor.timezone,
    }
