"""The services of API version 1.1, as data: routes, message types, the service listing and the API document.

Layer: wire. Imports domain only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from gridlore.domain.sensors import ROLES, SensorKind

VERSION = "1.1"
VERSION_PATH = "v1_1"


@dataclass(frozen=True)
class Endpoint:
    """One service. ``kind`` is the kind of sensor its messages are about; ``noun`` names them."""

    name: str
    method: str
    purpose: str
    kind: SensorKind | None = None
    noun: str = ""
    access: tuple[str, ...] = ROLES

    @cached_property
    def path(self) -> str:
        """Where it is served."""
        return f"/api/{VERSION_PATH}/{self.name}"

    @cached_property
    def title(self) -> str:
        """Its name with a capital, as message types begin."""
        return self.name[0].upper() + self.name[1:]

    @cached_property
    def request_type(self) -> str:
        """The ``type`` its requests state."""
        return f"{self.title}Request"

    @cached_property
    def response_type(self) -> str:
        """The ``type`` its answers state."""
        return f"{self.title}Response"


GET_CONNECTION = Endpoint("getConnection", "GET", "Request entity addresses of connections")
GET_METER_DATA = Endpoint("getMeterData", "GET", "Request meter reading", SensorKind.CONNECTION, "connection")
POST_METER_DATA = Endpoint("postMeterData", "POST", "Send meter reading", SensorKind.CONNECTION, "connection")
GET_PROGNOSIS = Endpoint("getPrognosis", "GET", "Request load planning", SensorKind.CONNECTION, "connection")
POST_PROGNOSIS = Endpoint("postPrognosis", "POST", "Send prediction", SensorKind.CONNECTION, "connection")
POST_PRICE_DATA = Endpoint("postPriceData", "POST", "Send prices", SensorKind.MARKET, "market")
POST_WEATHER_DATA = Endpoint(
    "postWeatherData",
    "POST",
    "Send weather forecasts or weather sensor observations",
    SensorKind.WEATHER,
    "sensor",
)
GET_SERVICE = Endpoint("getService", "GET", "Request a service listing for this version", access=())

SERVICES = (
    GET_CONNECTION,
    GET_METER_DATA,
    POST_METER_DATA,
    GET_PROGNOSIS,
    POST_PROGNOSIS,
    POST_PRICE_DATA,
    POST_WEATHER_DATA,
)
"""The listed services, in the order of the listing."""

ENDPOINTS = (*SERVICES, GET_SERVICE)
