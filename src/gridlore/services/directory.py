"""Who and what there is: accounts, users, sources, sensors, keys and grants, as one snapshot in memory.

Layer: services. A snapshot never changes; ``services/directory_cache.py`` replaces it (ADR 007).
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gridlore.domain.access import NO_ACCESS, Grant, Purpose, may_access
from gridlore.domain.addresses import (
    NamingAuthority,
    Place,
    connection_id,
    great_circle,
    local_part,
    numbered_id,
    parse_place,
)
from gridlore.domain.errors import (
    AddressError,
    ConnectionGroupError,
    MarketError,
    SourceError,
    WeatherSensorError,
)
from gridlore.domain.keys import ApiKey
from gridlore.domain.sensors import ROLES, Account, Sensor, SensorKind, Source, User
from gridlore.domain.units import WEATHER_UNITS
from gridlore.services.recall import Recall
from gridlore.services.sharing import share_out
from gridlore.store.interface import DirectoryRecords

MAX_SHOWN = 60
"""Characters of a client's text that an error repeats."""

NOT_FOUND = "One or more connections in your request were not found in your account."


class Directory:
    """A snapshot of the directory, with what is needed to find things in it."""

    def __init__(self, records: DirectoryRecords, authority: NamingAuthority) -> None:
        self.version = records.version
        self.authority = authority
        self.accounts: dict[int, Account] = {account.id: account for account in records.accounts}
        self.users: dict[int, User] = {user.id: user for user in records.users}
        self.sources: dict[int, Source] = {source.id: source for source in records.sources}
        self.keys: dict[int, ApiKey] = {key.id: key for key in records.keys}
        self.grants: dict[int, Grant] = {grant.id: grant for grant in records.grants}
        self._user_by_email = {user.email: user for user in records.users}
        self._source_by_user = {source.user_id: source for source in records.sources if source.user_id}
        self._key_by_prefix = {key.prefix: key for key in records.keys}
        self._take_in(records.sensors)

    def _take_in(self, sensors: Iterable[Sensor]) -> None:
        """Make these the sensors there are."""
        self.sensors: dict[int, Sensor] = {sensor.id: sensor for sensor in sensors}
        self._public: list[Sensor] = []
        self._public_by_name: defaultdict[str, list[Sensor]] = defaultdict(list)
        self._by_place: defaultdict[Place, list[Sensor]] = defaultdict(list)
        self._owned: defaultdict[int, list[Sensor]] = defaultdict(list)
        self._connections_by_name: dict[int | None, dict[str, list[Sensor]]] = {}
        self._limited: dict[frozenset[int], Directory] = {}
        self._recall: Recall[Sequence[Sensor]] = Recall()
        for sensor in self.sensors.values():
            owner = self.owner(sensor)
            if owner:
                self._owned[owner.account_id].append(sensor)
            if sensor.kind is not SensorKind.CONNECTION:
                self._public.append(sensor)
                self._public_by_name[sensor.name].append(sensor)
            if sensor.kind is SensorKind.WEATHER:
                self._by_place[_place(sensor)].append(sensor)
        self._shares = share_out(self.grants.values(), self._owned, self.sensors, self.owner)
        self._connections: dict[int, list[Sensor]] = dict(self._owned)
        for account_id, share in self._shares.items():
            found = [*self._owned.get(account_id, ()), *(self.sensors[sensor_id] for sensor_id in share)]
            self._connections[account_id] = sorted(found, key=_by_id)
        quantities = {sensor.quantity: sensor.unit for sensor in self._public if sensor.quantity}
        self.quantities = frozenset(quantities)
        """What weather sensors measure here."""
        self.weather_units: dict[str, str] = WEATHER_UNITS | quantities
        """The unit that each weather quantity is given in."""

    def limited_to(self, sensor_ids: frozenset[int]) -> Directory:
        """The directory as it would be if there were no other sensors."""
        limited = self._limited.get(sensor_ids)
        if limited is None:
            limited = copy.copy(self)
            limited._take_in(
                self.sensors[sensor_id] for sensor_id in sorted(sensor_ids & self.sensors.keys())
            )
            self._limited[sensor_ids] = limited
        return limited

    def account(self, user: User) -> Account:
        """The account a user belongs to."""
        return self.accounts[user.account_id]

    def owner(self, sensor: Sensor) -> User | None:
        """The user who owns a connection."""
        return self.users.get(sensor.owner_id) if sensor.owner_id is not None else None

    def find_user(self, email: str) -> User | None:
        """The user with this e-mail, in whatever case it is written."""
        return self._user_by_email.get(email.lower())

    def source_of(self, user: User) -> Source:
        """The source a user's posts come from."""
        return self._source_by_user[user.id]

    def address(self, sensor: Sensor) -> str:
        """The entity address of a sensor."""
        return self.authority.address(sensor)

    def find_key(self, prefix: str) -> ApiKey | None:
        """The key whose text begins so."""
        return self._key_by_prefix.get(prefix)

    def may_access(self, user: User, sensor: Sensor, purpose: Purpose | None = Purpose.READ) -> bool:
        """Whether a user may use a sensor for a purpose, or (None) for any."""
        share = self._shares.get(user.account_id)
        granted = share.get(sensor.id, NO_ACCESS) if share else NO_ACCESS
        owner = self.owner(sensor)
        if purpose is None:
            return any(may_access(user, sensor, owner, granted, purpose) for purpose in Purpose)
        return may_access(user, sensor, owner, granted, purpose)

    def accessible(
        self, user: User, kind: SensorKind | None = None, purpose: Purpose | None = None
    ) -> list[Sensor]:
        """The sensors a user may use for a purpose or any, of one kind or of all, in order of id."""
        connections = self._connections.get(user.account_id, [])
        if user.is_admin:
            found = list(self.sensors.values())
        elif kind is SensorKind.CONNECTION and purpose is None:
            return connections
        else:
            found = sorted([*connections, *self._public], key=_by_id)
        return [
            sensor
            for sensor in found
            if (kind is None or sensor.kind is kind)
            and (purpose is None or self.may_access(user, sensor, purpose))
        ]

    def find_sensors(
        self,
        user: User,
        kind: SensorKind | None,
        texts: Sequence[str],
        purpose: Purpose | None = Purpose.READ,
    ) -> Sequence[Sensor]:
        """The sensors that addresses or plain names stand for, in the same order.

        Raises
        ------
        AddressError
            A text is neither an entity address of the kind nor a known name.
        ConnectionGroupError, MarketError, WeatherSensorError
            There is none, or not for this user or purpose, or a name is not unique.
        """
        question = (user.id, kind, purpose, *texts)
        if known := self._recall.get(question):
            return known
        candidates = [self._recognise(user, kind, text) for text in texts]
        sensors = tuple(
            self._choose(user, kind, text, found, purpose)
            for text, found in zip(texts, candidates, strict=True)
        )
        self._recall.keep(question, texts, sensors)
        return sensors

    def _recognise(self, user: User, kind: SensorKind | None, text: str) -> list[Sensor]:
        """Sensors that a text may stand for, whoever may see them; names only what the user may."""
        local = local_part(text)
        if local is None:
            named = [sensor for sensor in self._named(user, text) if kind in (None, sensor.kind)]
            if not named:
                raise AddressError(self._explain_addresses(kind, text))
            return named
        readers = {
            SensorKind.CONNECTION: self._with_connection_id,
            SensorKind.MARKET: self._markets,
            SensorKind.WEATHER: self._weather_sensors,
        }
        if kind is not None:
            found = readers[kind](local)
            if found is None:
                raise AddressError(self._explain_addresses(kind, text))
            return found
        return [sensor for reader in readers.values() for sensor in reader(local) or () if sensor is not None]

    def _named(self, user: User, name: str) -> list[Sensor]:
        """The sensors of this name that a user may use; others of the name cost no time either."""
        circle = None if user.is_admin else user.account_id
        names = self._connections_by_name.get(circle)
        if names is None:
            names = {}
            for sensor in self.accessible(user, SensorKind.CONNECTION):
                names.setdefault(sensor.name, []).append(sensor)
            self._connections_by_name[circle] = names
        return [*names.get(name, ()), *self._public_by_name.get(name, ())]

    def _with_connection_id(self, local: str) -> list[Sensor] | None:
        sensor_id = connection_id(local)
        return None if sensor_id is None else self._with_id(sensor_id, SensorKind.CONNECTION)

    def _markets(self, local: str) -> list[Sensor] | None:
        sensor_id = numbered_id(local)
        if sensor_id is not None:
            return self._with_id(sensor_id, SensorKind.MARKET)
        names = self._public_by_name
        named = names.get(local) or names.get(local.removeprefix("fm0."), [])
        return [sensor for sensor in named if sensor.kind is SensorKind.MARKET]

    def _weather_sensors(self, local: str) -> list[Sensor] | None:
        sensor_id = numbered_id(local)
        if sensor_id is not None:
            return self._with_id(sensor_id, SensorKind.WEATHER)
        place = parse_place(local)
        return None if place is None else self._by_place.get(self._known_quantity(place), [])

    def _known_quantity(self, place: Place) -> Place:
        """The place, its quantity with spaces for underscores unless it is registered with them."""
        if place.quantity in self.quantities:
            return place
        return replace(place, quantity=place.quantity.replace("_", " "))

    def _with_id(self, sensor_id: int, kind: SensorKind) -> list[Sensor]:
        sensor = self.sensors.get(sensor_id)
        return [sensor] if sensor is not None and sensor.kind is kind else []

    def _choose(
        self, user: User, kind: SensorKind | None, text: str, found: Sequence[Sensor], purpose: Purpose | None
    ) -> Sensor:
        allowed = [sensor for sensor in found if self.may_access(user, sensor, purpose)]
        if len(allowed) > 1:
            addresses = ", ".join(self.address(sensor) for sensor in sorted(allowed, key=_by_id)[:5])
            raise ConnectionGroupError(
                f"The name {_shortened(text)!r} is not unique: it stands for {addresses}. "
                "Use one of these addresses."
            )
        if allowed:
            return allowed[0]
        if any(self.may_access(user, sensor, None) for sensor in found):
            can, cannot = ("read", "posted to") if purpose is Purpose.POST else ("posted to", "read")
            raise ConnectionGroupError(
                f"{_shortened(text)!r} may be {can} by your account, but not {cannot}."
            )
        kind = kind or _kind_of_address(text)
        if kind is SensorKind.MARKET:
            names = ", ".join(sensor.name for sensor in self.accessible(user, SensorKind.MARKET)) or "none"
            raise MarketError(f"No market is known at {_shortened(text)!r}. Known markets: {names}.")
        if kind is SensorKind.WEATHER:
            raise WeatherSensorError(self._explain_place(text))
        raise ConnectionGroupError(NOT_FOUND)

    def _explain_addresses(self, kind: SensorKind | None, text: str) -> str:
        examples = {
            SensorKind.CONNECTION: ("<owner id>:<sensor id>", "3:4"),
            SensorKind.MARKET: ("<market name>", "epex_da"),
            SensorKind.WEATHER: ("<quantity>:<latitude>:<longitude>", "temperature:33.4843866:126.477859"),
        }
        form, example = examples[kind or SensorKind.CONNECTION]
        return (
            f"{_shortened(text)!r} is neither an entity address nor a known name. An entity address of the "
            f"EA1 scheme is written ea1.<yyyy-mm>.<reversed host>:{form}, such as "
            f"{self.authority.prefix}:{example}."
        )

    def _explain_place(self, text: str) -> str:
        place = parse_place(local_part(text) or "")
        if place is None:
            return f"No weather sensor is known at {_shortened(text)!r}."
        place = self._known_quantity(place)
        same = [sensor for sensor in self.sensors.values() if sensor.quantity == place.quantity]
        if not same:
            known = sorted({str(sensor.quantity) for sensor in self.sensors.values() if sensor.quantity})
            return (
                f"There is no {place.quantity} sensor here. Known quantities: {', '.join(known) or 'none'}."
            )
        nearest = min(same, key=lambda sensor: great_circle(place, _place(sensor)))
        distance = great_circle(place, _place(nearest))
        return (
            f"No {place.quantity} sensor stands at latitude {place.latitude!r}, longitude"
            f" {place.longitude!r}."
            f" The nearest one stands at latitude {nearest.latitude!r}, longitude {nearest.longitude!r} "
            f"({distance:.1f} km away): {self.address(nearest)}."
        )

    def find_sources(self, names: Iterable[str | int]) -> set[int]:
        """Ids of the sources that role names and user ids stand for.

        Raises
        ------
        SourceError
            One is neither a role nor the id of a user.
        """
        found: set[int] = set()
        for name in dict.fromkeys(names):
            if name in ROLES:
                found |= self._sources_of_role(str(name))
            elif _is_number(name) and int(name) in self.users:
                found.add(self.source_of(self.users[int(name)]).id)
            else:
                raise SourceError(
                    f"A source is one of the roles {', '.join(ROLES)}, or the id of a user; got {name!r}."
                )
        return found

    def measuring_sources(self, user: User) -> set[int]:
        """Whose measurements count by default: those of the user's own account and of all MDC accounts."""
        own = {
            self.source_of(other).id for other in self.users.values() if other.account_id == user.account_id
        }
        return own | self._sources_of_role("MDC")

    def _sources_of_role(self, role: str) -> set[int]:
        return {
            self.source_of(user).id
            for user in self.users.values()
            if role in self.accounts[user.account_id].roles
        }


def _kind_of_address(text: str) -> SensorKind:
    """The kind of sensor that an entity address has the form of."""
    local = local_part(text) or ""
    if connection_id(local) is not None:
        return SensorKind.CONNECTION
    return SensorKind.MARKET if parse_place(local) is None else SensorKind.WEATHER


def _by_id(sensor: Sensor) -> int:
    return sensor.id


def _place(sensor: Sensor) -> Place:
    return Place(str(sensor.quantity), sensor.latitude or 0.0, sensor.longitude or 0.0)


def _shortened(text: str) -> str:
    """What an error repeats of a client's text."""
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _is_number(name: str | int) -> bool:
    return isinstance(name, int) or (name.isascii() and name.isdigit() and len(name) <= 18)
