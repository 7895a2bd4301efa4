"""Entity addresses of the EA1 scheme, and what their local part can name.

Layer: domain. ``ea1.<yyyy-mm>.<reversed host>:<locally unique string>``. The naming authority is not
compared: the id, name or place in the local part identifies. Digits are ASCII only.
Source: API contract, section "Addresses"; the scheme is USEF's.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from gridlore.domain.errors import AddressError
from gridlore.domain.sensors import Sensor, SensorKind

_EA1 = re.compile(
    r"ea1\.[0-9]{4}-(?:0[1-9]|1[0-2])\.(?=[^:]{1,253}:)"
    r"(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*):(?P<local>.+)",
    re.DOTALL,
)
_SENSOR_ID = re.compile(r"(?:fm1\.)?([0-9]{1,30})|(?:fm0\.)?[0-9]{1,30}:([0-9]{1,30})")
_FM1 = re.compile(r"fm1\.([0-9]{1,30})")
_PLACE = re.compile(r"(?:fm0\.)?(?P<quantity>[^:]+):(?P<latitude>[^:]+):(?P<longitude>[^:]+)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")

EARTH_RADIUS = 6371.0
"""Mean radius of the Earth. [km]"""


@dataclass(frozen=True, slots=True)
class Place:
    """What a weather sensor measures, and where. [degrees]"""

    quantity: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class NamingAuthority:
    """Who gives out the addresses: a host and the month since which it has had that name."""

    host: str = "localhost"
    month: str = "2021-01"

    @property
    def prefix(self) -> str:
        """The part before the colon.

        >>> NamingAuthority("company.flexmeasures.io").prefix
        'ea1.2021-01.io.flexmeasures.company'
        """
        return f"ea1.{self.month}." + ".".join(reversed(self.host.split(".")))

    def address(self, sensor: Sensor) -> str:
        """The entity address of a sensor."""
        return f"{self.prefix}:{self._local_part(sensor)}"

    def _local_part(self, sensor: Sensor) -> str:
        match sensor.kind:
            case SensorKind.CONNECTION:
                return f"{sensor.owner_id}:{sensor.id}"
            case SensorKind.MARKET:
                return sensor.name
            case SensorKind.WEATHER:
                return f"{sensor.quantity}:{sensor.latitude!r}:{sensor.longitude!r}"


def local_part(text: str) -> str | None:
    """The locally unique string of an entity address; None when the text is none.

    >>> local_part("ea1.2021-01.localhost:3:4"), local_part("CS 1")
    ('3:4', None)
    """
    match = _EA1.fullmatch(text)
    return match["local"] if match else None


def connection_id(local: str) -> int | None:
    """The sensor id in a connection's local part; None when it is no connection's.

    >>> connection_id("3:4"), connection_id("fm0.3:4"), connection_id("4"), connection_id("fm1.4")
    (4, 4, 4, 4)
    """
    match = _SENSOR_ID.fullmatch(local)
    return int(match[1] or match[2]) if match else None


def numbered_id(local: str) -> int | None:
    """The sensor id in a local part of the form ``fm1.<id>``, of a sensor of any kind."""
    match = _FM1.fullmatch(local)
    return int(match[1]) if match else None


def parse_place(local: str) -> Place | None:
    """Quantity and place in a weather sensor's local part; None when it has another form.

    Raises
    ------
    AddressError
        Latitude or longitude is no number or out of range.

    >>> parse_place("wind speed:33.480:126.4")
    Place(quantity='wind speed', latitude=33.48, longitude=126.4)
    """
    match = _PLACE.fullmatch(local)
    if match is None:
        return None
    latitude = _degrees("latitude", match["latitude"], 90)
    longitude = _degrees("longitude", match["longitude"], 180)
    return Place(match["quantity"], latitude, longitude)


def weather_quantity(text: str) -> str | None:
    """What the weather sensor of an entity address measures, wherever it stands; None when it is none's.

    >>> weather_quantity("ea1.2021-01.localhost:wind_speed:33.48:126.47")
    'wind speed'
    """
    match = _PLACE.fullmatch(local_part(text) or "")
    return match["quantity"].replace("_", " ") if match else None


def _degrees(what: str, text: str, limit: int) -> float:
    if not _NUMBER.fullmatch(text) or abs(float(text)) > limit:
        raise AddressError(
            f"A {what} is a number between -{limit} and {limit}; got {text[:40]!r}. A weather sensor's "
            "address is written ea1.<yyyy-mm>.<reversed host>:<quantity>:<latitude>:<longitude>."
        )
    return float(text) + 0.0


def great_circle(a: Place, b: Place) -> float:
    """Distance along the surface of the Earth (haversine formula). [km]

    >>> round(great_circle(Place("", 52.37, 4.9), Place("", 52.52, 13.4)))
    576
    """
    phi_a, phi_b = math.radians(a.latitude), math.radians(b.latitude)
    h = (
        math.sin((phi_b - phi_a) / 2) ** 2
        + math.cos(phi_a) * math.cos(phi_b) * math.sin(math.radians(b.longitude - a.longitude) / 2) ** 2
    )
    return 2 * EARTH_RADIUS * math.asin(math.sqrt(min(1.0, h)))
