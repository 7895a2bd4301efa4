"""What is sent: posts of every kind, reads, pages, log-ins, and messages that must be refused.

Every post is of slots that nobody has posted before, so each is truly stored; every read is of slots that
are all known. The answers must show both.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import numpy as np

from benchmarks.databases import EMAIL, PASSWORD
from benchmarks.messages import DAY_SLOTS, SLOT, period

SHARES = {
    "single": 400,
    "day": 100,
    "prognosis": 80,
    "price": 20,
    "weather": 40,
    "read week": 150,
    "read prognosis": 80,
    "connections": 40,
    "services": 20,
    "page": 20,
    "chart": 20,
    "malformed": 29.8,
    "token": 0.2,
}
"""How many of a thousand requests are of each kind. A log-in costs a core for a fifth of a second, by
design; a token lasts for hours."""

CONNECTIONS = 100
STATIONS = 4
"""So many markets, and so many thermometers."""
WEEK = 7 * DAY_SLOTS
READY_DAYS = 8
"""Days that are known of each connection before anything is measured: a week, and what is on its way."""
FORECAST_DAYS = 4
"""So many are forecast of each connection before."""
BEHIND = 2 * CONNECTIONS
"""So many posts before the newest one are answered for sure: reads ask for what lies before those."""

SINGLES = datetime(2016, 1, 1, tzinfo=UTC)
DAYS = datetime(1990, 1, 1, tzinfo=UTC)
"""Where single values begin, and where days, prognoses, prices and weather do."""

STATIONS_WORLD = "".join(
    f"""
[[sensor]]
kind = "market"
name = "market {number}"
unit = "EUR/MWh"
resolution = "PT1H"
[[sensor]]
kind = "weather"
quantity = "temperature"
latitude = {50 + number}.0
longitude = 5.0
unit = "°C"
resolution = "PT15M"
"""
    for number in range(STATIONS)
)
"""The world file of what there is beside the connections of a benchmark's world."""

MALFORMED: Sequence[tuple[bytes, bytes]] = (
    (b'{"type": "PostMeterDataRequest"', b"INVALID_MESSAGE"),
    (b"[1, 2, 3]", b"INVALID_MESSAGE"),
    (b'{"unit": "MW"}', b"NO_MESSAGE_TYPE"),
    (b'{"type": "PostPrognosisRequest", "unit": "MW"}', b"INVALID_MESSAGE_TYPE"),
    (b'{"type": "PostMeterDataRequest", "unit": "kW"}', b"INVALID_UNIT"),
    (b'{"type": "PostMeterDataRequest", "unit": "MW", "connection": "Meter 1", "values": ["a"],'
     b' "start": "2016-01-01T00:00:00Z", "duration": "PT15M"}', b"PTUS_INCOMPLETE"),
    (b'{"type": "PostMeterDataRequest", "unit": "MW", "connection": "Meter 1", "value": 1,'
     b' "start": "2016-01-01T00:00:00", "duration": "PT15M"}', b"INVALID_TIMEZONE"),
    (b'{"type": "PostMeterDataRequest", "unit": "MW", "connection": "Nobody", "value": 1,'
     b' "start": "2016-01-01T00:00:00Z", "duration": "PT15M"}', b"INVALID_DOMAIN"),
)  # fmt: skip
"""Bodies of postMeterData, and the status word each must be refused with."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, and what shows that its answer is right.

    ``sign`` must be in the body; a body that is ``whole`` has no unknown values. ``stored``: values.
    """

    kind: str
    request: bytes
    sign: bytes
    code: int = 200
    whole: bool = False
    stored: int = 0

    def find_problem(self, code: int, body: bytes) -> str | None:
        """Why an answer is not right; None when it is."""
        if code == self.code and self.sign in body and not (self.whole and b"null" in body):
            return None
        return f"{self.kind}: {code} {body[:200].decode(errors='replace')}"


@dataclass
class Mix:
    """Makes the requests of one user of a server, who has a token and a session.

    ``connections`` are entity addresses; the last part of each is its sensor's id.
    """

    connections: Sequence[str]
    token: str
    session: str
    numbers: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._authority = self.connections[0].rsplit(":", 2)[0]
        noise = np.random.default_rng(1)
        self._texts = [json.dumps(row.tolist()) for row in noise.normal(10, 3, (64, DAY_SLOTS)).round(3)]
        self._values = noise.normal(10, 3, 997).round(3).tolist()
        self._makers: Mapping[str, Callable[[int], Ask]] = {
            "single": self._post_single,
            "day": self._post_day,
            "prognosis": self._post_prognosis,
            "price": self._post_prices,
            "weather": self._post_weather,
            "read week": self._read_week,
            "read prognosis": self._read_prognosis,
            "connections": lambda _: self._get("connections", "/api/v1_1/getConnection", b'"names"'),
            "services": lambda _: self._get("services", "/api/v1_1/getService", b'"services"'),
            "page": self._open_page,
            "chart": self._draw_chart,
            "malformed": self._post_malformed,
            "token": self._ask_token,
        }

    def prepare(self) -> Iterator[Ask]:
        """What is there from the beginning, so that every read finds all of what it asks for."""
        for day in range(READY_DAYS):
            start = SINGLES - timedelta(days=READY_DAYS - day)
            yield self._post_all("postMeterData", day, start)
        for day in range(FORECAST_DAYS):
            start = DAYS + timedelta(days=day)
            yield self._post_all("postPrognosis", day, start, prior=start.isoformat())
        self.numbers["prognosis"] = FORECAST_DAYS * CONNECTIONS

    def __iter__(self) -> Iterator[Ask]:
        """Requests without end, mixed as in SHARES, the same in every run."""
        chance = random.Random(1)
        kinds, shares = list(SHARES), list(SHARES.values())
        while True:
            for kind in chance.choices(kinds, shares, k=1000):
                yield self.make(kind)

    def make(self, kind: str) -> Ask:
        """The next request of a kind."""
        number = self.numbers[kind]
        self.numbers[kind] += 1
        return self._makers[kind](number)

    def _post_single(self, number: int) -> Ask:
        value = f"[{self._values[number % len(self._values)]}]"
        return self._post("single", number, value, SINGLES + number // CONNECTIONS * SLOT, 1)

    def _post_day(self, number: int) -> Ask:
        start = DAYS + timedelta(days=number // CONNECTIONS)
        return self._post("day", number, self._texts[number % len(self._texts)], start, DAY_SLOTS)

    def _post_prognosis(self, number: int) -> Ask:
        day, place = divmod(number, CONNECTIONS)
        start = DAYS + timedelta(days=day)
        named = {"connection": self.connections[place], "unit": "MW", "prior": start.isoformat()}
        values = self._texts[number % len(self._texts)]
        return self._send("prognosis", "postPrognosis", named, values, start, DAY_SLOTS)

    def _post_prices(self, number: int) -> Ask:
        day, place = divmod(number, STATIONS)
        values = json.dumps(self._values[day % 100 : day % 100 + 24])
        named = {"market": f"market {place}", "unit": "EUR/MWh"}
        start = DAYS + timedelta(days=day)
        return self._send("price", "postPriceData", named, values, start, 24, quarters=DAY_SLOTS)

    def _post_weather(self, number: int) -> Ask:
        hour, place = divmod(number, STATIONS)
        values = json.dumps(self._values[hour % 100 : hour % 100 + 4])
        named = {"sensor": f"{self._authority}:temperature:{50 + place}.0:5.0", "unit": "°C"}
        return self._send("weather", "postWeatherData", named, values, DAYS + timedelta(hours=hour), 4)

    def _read_week(self, number: int) -> Ask:
        slot = max(0, self.numbers["single"] - BEHIND) // CONNECTIONS
        start = SINGLES + (slot - WEEK) * SLOT
        return self._read("read week", "getMeterData", self._pick(number), start, WEEK)

    def _read_prognosis(self, number: int) -> Ask:
        day = (self.numbers["prognosis"] - BEHIND) // CONNECTIONS - 1
        start = DAYS + timedelta(days=day)
        return self._read("read prognosis", "getPrognosis", self._pick(number), start, DAY_SLOTS)

    def _open_page(self, number: int) -> Ask:
        sensor = self._pick(number).rsplit(":", 1)[1]
        return self._get("page", f"/sensors/{sensor}", b"</html>")

    def _draw_chart(self, number: int) -> Ask:
        sensor = self._pick(number).rsplit(":", 1)[1]
        slot = max(0, self.numbers["single"] - BEHIND) // CONNECTIONS
        start, end = (SINGLES + (slot - back) * SLOT for back in (WEEK, 0))
        span = urlencode({"start": start.isoformat(), "end": end.isoformat()})
        return self._get("chart", f"/sensors/{sensor}/series.json?{span}", b'"frames"')

    def _post_malformed(self, number: int) -> Ask:
        body, word = MALFORMED[number % len(MALFORMED)]
        return Ask("malformed", self._head("POST", "/api/v1_1/postMeterData", body), word, code=400)

    def _ask_token(self, _: int) -> Ask:
        body = json.dumps({"email": EMAIL, "password": PASSWORD}).encode()
        return Ask("token", self._head("POST", "/api/requestAuthToken", body), b'"auth_token"')

    def _pick(self, number: int) -> str:
        return self.connections[number * 37 % CONNECTIONS]

    def _post(self, kind: str, number: int, values: str, start: datetime, slots: int) -> Ask:
        named = {"connection": self.connections[number % CONNECTIONS], "unit": "MW"}
        return self._send(kind, "postMeterData", named, values, start, slots)

    def _post_all(self, service: str, day: int, start: datetime, **more: str) -> Ask:
        """A day of every connection."""
        named = {"connections": self.connections, "unit": "MW", **more}
        ask = self._send("day", service, named, self._texts[day], start, DAY_SLOTS)
        stored = CONNECTIONS * DAY_SLOTS
        return replace(ask, sign=b'"stored":%d,' % stored, stored=stored)

    def _send(
        self,
        kind: str,
        service: str,
        named: Mapping[str, object],
        values: str,
        start: datetime,
        slots: int,
        *,
        quarters: int | None = None,
    ) -> Ask:
        message = {"type": f"P{service[1:]}Request", **named, **period(start, quarters or slots)}
        body = f'{json.dumps(message)[:-1]}, "values": {values}}}'.encode()
        sign = b'"stored":%d,' % slots
        return Ask(kind, self._head("POST", f"/api/v1_1/{service}", body), sign, stored=slots)

    def _read(self, kind: str, service: str, connection: str, start: datetime, slots: int) -> Ask:
        asked = {"type": f"G{service[1:]}Request", "connection": connection, "unit": "MW"}
        query = urlencode(asked | period(start, slots))
        request = self._head("GET", f"/api/v1_1/{service}?{query}")
        return Ask(kind, request, b'"values":[', whole=True)

    def _get(self, kind: str, path: str, sign: bytes) -> Ask:
        return Ask(kind, self._head("GET", path), sign)

    def _head(self, method: str, path: str, body: bytes = b"") -> bytes:
        who = (
            f"Cookie: gridlore_session={self.session}\r\nAccept: text/html, application/json\r\n"
            if path.startswith("/sensors")
            else f"Authorization: {self.token}\r\nAccept: application/json\r\n"
        )
        content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{who}{content}\r\n".encode() + body
