"""Read a world file and check everything that the file alone can show.

Layer: services. No database and no clock. ISO 8601 belongs to ``wire``, so the function that reads
resolutions is passed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from gridlore.domain.access import ACCESS_WORDS, NO_ACCESS, Access
from gridlore.domain.sensors import ADMIN, ROLES, Direction, SensorKind
from gridlore.domain.units import POWER_UNIT, WEATHER_UNITS, is_price_unit, normalise_unit
from gridlore.services.world.document import Place, Problems, RawEntry, read_document, shown
from gridlore.services.world.fields import FieldReader

KEYS: Mapping[str, tuple[str, ...]] = {
    "account": ("name", "roles"),
    "user": ("email", "name", "account", "password", "password_env", "roles"),
    SensorKind.CONNECTION: ("kind", "name", "owner", "unit", "resolution", "direction", "timezone"),
    SensorKind.MARKET: ("kind", "name", "unit", "resolution", "timezone"),
    SensorKind.WEATHER: (
        "kind",
        "name",
        "quantity",
        "latitude",
        "longitude",
        "unit",
        "resolution",
        "timezone",
    ),
    "grant": ("from", "to", "access", "connections"),
}
"""What an entry may state; a sensor according to its kind."""

ResolutionParser = Callable[[object], int]
"""Gives the microseconds of an ISO 8601 duration, or raises ResolutionError."""


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """An account that shall be there; known by its name."""

    place: Place
    name: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class UserEntry:
    """A user that shall be there; known by e-mail. ``password`` None leaves it as it is."""

    place: Place
    email: str
    name: str
    account: str
    roles: frozenset[str]
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class SensorEntry:
    """A sensor that shall be there; ``resolution`` in µs, ``owner`` an e-mail, else as domain.Sensor."""

    place: Place
    kind: SensorKind
    name: str
    unit: str
    resolution: int
    timezone: str
    owner: str | None = None
    direction: Direction = Direction.BOTH
    quantity: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    @property
    def title(self) -> str:
        """What it is and its name."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class GrantEntry:
    """Access that shall be there: to connections of ``giver`` for ``taker``; ``connections`` None: to all."""

    place: Place
    giver: str
    taker: str
    access: Access
    connections: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class World:
    """What a world file states, each in order of the file."""

    file: str
    accounts: tuple[AccountEntry, ...]
    users: tuple[UserEntry, ...]
    sensors: tuple[SensorEntry, ...]
    grants: tuple[GrantEntry, ...]


def parse_world(
    text: str, *, file: str, environ: Mapping[str, str], parse_resolution: ResolutionParser
) -> World:
    """What the world file states.

    Parameters
    ----------
    file : str
        Its name, for error messages.
    environ : mapping
        Where ``password_env`` is looked up.

    Raises
    ------
    WorldError
        With a line for every problem: file, line, entry, what was got, what would be right.
    """
    problems = Problems(file)
    return read_entries(read_document(text, problems), problems, environ, parse_resolution)


def read_entries(
    raw: Mapping[str, Sequence[RawEntry]],
    problems: Problems,
    environ: Mapping[str, str],
    parse_resolution: ResolutionParser,
) -> World:
    """What entries state, by table (each of TABLES); raises WorldError as ``parse_world`` does."""
    readers = {table: [FieldReader(entry, problems) for entry in raw[table]] for table in raw}
    sensors = (_read_sensor(reader, parse_resolution) for reader in readers["sensor"])
    world = World(
        problems.file,
        tuple(_read_account(reader) for reader in readers["account"]),
        tuple(_read_user(reader, environ) for reader in readers["user"]),
        tuple(sensor for sensor in sensors if sensor is not None),
        tuple(_read_grant(reader) for reader in readers["grant"]),
    )
    _report_duplicates(world, problems)
    problems.raise_any()
    return world


def _read_account(reader: FieldReader) -> AccountEntry:
    reader.check_keys(KEYS["account"], "an account")
    return AccountEntry(reader.place, reader.name("name", "Charge Co"), reader.words("roles", ROLES))


def _read_user(reader: FieldReader, environ: Mapping[str, str]) -> UserEntry:
    reader.check_keys(KEYS["user"], "a user")
    email = reader.email("email")
    return UserEntry(
        reader.place,
        email,
        reader.name("name", "ann", default=email.partition("@")[0]),
        reader.text("account", "the name of an account"),
        reader.words("roles", (ADMIN,)),
        _read_password(reader, environ),
    )


def _read_password(reader: FieldReader, environ: Mapping[str, str]) -> str | None:
    if reader.has("password") and reader.has("password_env"):
        reader.report("password and password_env are both there; state one of them.", "password_env")
    elif reader.has("password_env"):
        variable = reader.text("password_env", 'the name of an environment variable like "ALICE_PW"')
        if variable and not environ.get(variable):
            reader.report(
                f"password_env names an environment variable that holds the password; got {shown(variable)}, "
                f"which is {'empty' if variable in environ else 'not set'}.",
                "password_env",
            )
        return environ.get(variable)
    elif reader.has("password"):
        return reader.password("password")
    return None


def _read_sensor(reader: FieldReader, parse_resolution: ResolutionParser) -> SensorEntry | None:
    word = reader.choice("kind", tuple(SensorKind))
    if not word:
        return None  # which fields it should have cannot be told
    kind = SensorKind(word)
    reader.check_keys(KEYS[kind], f"a {kind}" + (" sensor" if kind is SensorKind.WEATHER else ""))
    resolution = reader.resolution("resolution", parse_resolution)
    timezone = reader.timezone("timezone")
    match kind:
        case SensorKind.CONNECTION:
            return _read_connection(reader, resolution, timezone)
        case SensorKind.MARKET:
            name = reader.name("name", "epex_da", addressed=True)
            return SensorEntry(reader.place, kind, name, _price_unit(reader), resolution, timezone)
        case SensorKind.WEATHER:
            return _read_weather(reader, resolution, timezone)


def _read_connection(reader: FieldReader, resolution: int, timezone: str) -> SensorEntry:
    unit = reader.text("unit", f'"{POWER_UNIT}" for a connection')
    if unit and unit != POWER_UNIT:
        reader.report(f'unit is "{POWER_UNIT}" for a connection; got {shown(unit)}.', "unit")
    direction = reader.choice("direction", tuple(Direction), Direction.BOTH)
    return SensorEntry(
        reader.place,
        SensorKind.CONNECTION,
        reader.name("name", "CS 1"),
        unit,
        resolution,
        timezone,
        owner=reader.email("owner"),
        direction=Direction(direction or Direction.BOTH),
    )


def _price_unit(reader: FieldReader) -> str:
    right = 'a currency per MWh or kWh for a market, like "EUR/MWh"'
    unit = reader.text("unit", right)
    if unit and not is_price_unit(unit):
        reader.report(f"unit is {right}; got {shown(unit)}.", "unit")
    return unit


def _read_weather(reader: FieldReader, resolution: int, timezone: str) -> SensorEntry:
    quantity = reader.name("quantity", "temperature", addressed=True).replace("_", " ")
    if quantity not in WEATHER_UNITS and quantity.lower() in WEATHER_UNITS:
        reader.report(f'quantity is written "{quantity.lower()}"; got {shown(quantity)}.', "quantity")
    latitude, longitude = reader.degrees("latitude", 90), reader.degrees("longitude", 180)
    return SensorEntry(
        reader.place,
        SensorKind.WEATHER,
        reader.name("name", "Roof", default=f"{quantity} at {latitude}, {longitude}"),
        _weather_unit(reader, quantity),
        resolution,
        timezone,
        quantity=quantity,
        latitude=latitude,
        longitude=longitude,
    )


def _weather_unit(reader: FieldReader, quantity: str) -> str:
    right = (
        f'"{WEATHER_UNITS[quantity]}" for {quantity}' if quantity in WEATHER_UNITS else "a unit of its own"
    )
    unit = normalise_unit(reader.text("unit", right))
    if unit and unit != WEATHER_UNITS.get(quantity, unit):
        reader.report(f"unit is {right}; got {shown(unit)}.", "unit")
    return unit


def _read_grant(reader: FieldReader) -> GrantEntry:
    reader.check_keys(KEYS["grant"], "a grant")
    right = "the name of an account"
    return GrantEntry(
        reader.place,
        reader.text("from", right),
        reader.text("to", right),
        ACCESS_WORDS.get(reader.choice("access", tuple(ACCESS_WORDS)), NO_ACCESS),
        reader.names("connections", "CS 1"),
    )


def _report_duplicates(world: World, problems: Problems) -> None:
    accounts = {user.email: user.account for user in world.users}
    first: dict[Hashable, Place] = {}

    def check(place: Place, *identity: object) -> None:
        if "" in identity or any(isinstance(part, float) and math.isnan(part) for part in identity):
            return  # it was reported already
        if identity in first:
            place.report(problems, f"this is {first[identity].reference} again; state it once.")
        first.setdefault(identity, place)

    for account in world.accounts:
        check(account.place, "account", account.name)
    for user in world.users:
        check(user.place, "user", user.email)
    for sensor in world.sensors:
        if sensor.kind is SensorKind.CONNECTION:
            check(sensor.place, sensor.kind, accounts.get(sensor.owner or "", sensor.owner), sensor.name)
        elif sensor.kind is SensorKind.MARKET:
            check(sensor.place, sensor.kind, sensor.name)
        else:
            check(sensor.place, sensor.kind, sensor.quantity, sensor.latitude, sensor.longitude)
