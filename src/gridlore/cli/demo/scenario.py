"""Who lives in the demo world, and the messages they would have sent in the past year.

Layer: cli. Pure: series in, messages out; the messages are those of API version 1.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridlore.cli.demo import series
from gridlore.cli.demo.series import SLOT, SLOTS_PER_HOUR, ZONE, Series, Weather
from gridlore.domain.timing import DAY, HOUR, FloatArray, format_instant, format_span, to_datetime, to_instant

SEED = 20210101
AHEAD = 2 * DAY
"""How far ahead the farthest forecasts look. [µs]"""

SUNNY, WIND, METER, DESK = "sunny@example.com", "wind@example.com", "meter@example.com", "desk@example.com"
PASSWORDS = {SUNNY: "sunny-demo", WIND: "wind-demo", METER: "meter-demo", DESK: "desk-demo"}
SOLAR_ROOF, WIND_FARM = "Solar roof", "Wind farm"
CHARGERS = ("Charging station 1", "Charging station 2")
MARKET = "day_ahead"
TEMPERATURE, WIND_SPEED, IRRADIANCE = "Outdoor temperature", "Wind at 10 m", "Irradiance"

WORLD = f"""
[[account]]
name = "Sunny Side Homes"
roles = ["Prosumer"]
[[account]]
name = "Westerly Wind"
roles = ["Supplier"]
[[account]]
name = "Clear Metering"
roles = ["MDC"]
[[account]]
name = "Grid Desk"
roles = ["DSO"]

[[user]]
email = "{SUNNY}"
account = "Sunny Side Homes"
password = "{PASSWORDS[SUNNY]}"
[[user]]
email = "{WIND}"
account = "Westerly Wind"
password = "{PASSWORDS[WIND]}"
[[user]]
email = "{METER}"
account = "Clear Metering"
password = "{PASSWORDS[METER]}"
roles = ["admin"]
[[user]]
email = "{DESK}"
account = "Grid Desk"
password = "{PASSWORDS[DESK]}"

[[sensor]]
kind = "connection"
name = "{SOLAR_ROOF}"
owner = "{SUNNY}"
resolution = "PT15M"
unit = "MW"
direction = "producer"
timezone = "{ZONE.key}"
[[sensor]]
kind = "connection"
name = "{CHARGERS[0]}"
owner = "{SUNNY}"
resolution = "PT15M"
unit = "MW"
direction = "consumer"
timezone = "{ZONE.key}"
[[sensor]]
kind = "connection"
name = "{CHARGERS[1]}"
owner = "{SUNNY}"
resolution = "PT15M"
unit = "MW"
direction = "consumer"
timezone = "{ZONE.key}"
[[sensor]]
kind = "connection"
name = "{WIND_FARM}"
owner = "{WIND}"
resolution = "PT15M"
unit = "MW"
direction = "producer"
timezone = "{ZONE.key}"
[[sensor]]
kind = "market"
name = "{MARKET}"
unit = "EUR/MWh"
resolution = "PT1H"
timezone = "{ZONE.key}"
[[sensor]]
kind = "weather"
name = "{TEMPERATURE}"
quantity = "temperature"
latitude = {series.LATITUDE}
longitude = {series.LONGITUDE}
unit = "°C"
resolution = "PT15M"
timezone = "{ZONE.key}"
[[sensor]]
kind = "weather"
name = "{WIND_SPEED}"
quantity = "wind speed"
latitude = {series.LATITUDE}
longitude = {series.LONGITUDE}
unit = "m/s"
resolution = "PT15M"
timezone = "{ZONE.key}"
[[sensor]]
kind = "weather"
name = "{IRRADIANCE}"
quantity = "irradiance"
latitude = {series.LATITUDE}
longitude = {series.LONGITUDE}
unit = "kW/m²"
resolution = "PT15M"
timezone = "{ZONE.key}"
"""

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Message:
    """What one client posts: ``endpoint`` is a service's name, ``size`` counts values."""

    endpoint: str
    fields: dict[str, Any]
    size: int


@dataclass(frozen=True, slots=True)
class Stream:
    """What one program of one user sends, one message after the other."""

    email: str
    title: str
    messages: tuple[Message, ...] = field(repr=False)

    @property
    def size(self) -> int:
        """How many values it sends."""
        return sum(message.size for message in self.messages)


def make_streams(now: int, days: int) -> list[Stream]:
    """Everything that was sent in so many ``days`` and today, up to ``now``. [µs since epoch]"""
    start = now // DAY * DAY - days * DAY
    known = series.make_series(start, ((days + 1) * DAY + AHEAD) // SLOT, SEED)
    year = Year(start, now // SLOT * SLOT, known, np.random.default_rng(SEED + 1))
    sent = [
        (METER, "meter readings", year.measurements()),
        (METER, "a correction", year.correction()),
        (DESK, "day-ahead prices", year.prices()),
        (DESK, "weather observations", year.observations()),
        (DESK, "weather forecasts", year.weather_forecasts()),
        (SUNNY, "solar forecasts, rolling", year.solar_forecasts()),
        (SUNNY, "charging forecasts, day-ahead", year.charging_forecasts()),
        (WIND, "wind forecasts, twice a day", year.wind_forecasts()),
    ]
    return [Stream(email, title, tuple(messages)) for email, title, messages in sent]


@dataclass(slots=True)
class Year:
    """The messages about a year (or less) from ``start`` on, as far as they were sent by ``now``.

    Both on the grid of slots; ``start`` is midnight in UTC. [µs since epoch]
    """

    start: int
    now: int
    known: Series
    rng: np.random.Generator

    def slot(self, instant: int) -> int:
        """The slot that begins then."""
        return (instant - self.start) // SLOT

    def days(self, until: int) -> Iterator[int]:
        """Start of every UTC day before ``until``. [µs since epoch]"""
        return iter(range(self.start, until, DAY))

    def measurements(self) -> Iterator[Message]:
        """Day by day; where a meter was silent, nothing is sent."""
        values = {
            SOLAR_ROOF: self.known.solar,
            **dict(zip(CHARGERS, self.known.charging, strict=True)),
            WIND_FARM: self._wind_as_first_read(),
        }
        heard = {name: self._heard(gaps=6) for name in values}
        for day in self.days(self.now):
            first, last = self.slot(day), self.slot(min(day + DAY, self.now))
            whole = [name for name in values if heard[name][first:last].all()]
            if whole:
                groups = [{"connection": name, "values": rounded(values[name][first:last])} for name in whole]
                yield self._message("postMeterData", "MW", first, last, {"groups": groups})
            for name in sorted(values.keys() - whole):
                for begin, end in _runs(heard[name][first:last], first):
                    fields = {"connection": name, "values": rounded(values[name][begin:end])}
                    yield self._message("postMeterData", "MW", begin, end, fields)

    def _heard(self, *, gaps: int) -> BoolArray:
        """Which slots were heard of: all but ``gaps`` gaps of up to half a day, and one of two days."""
        count = self.slot(self.now)
        heard = np.ones(count, dtype=np.bool_)
        corrected = self.slot(self._corrected_day())
        for length in [*self.rng.integers(2, 48, gaps), 192]:
            first = int(self.rng.integers(0, count - length - 96))
            heard[first : first + length] = False
        heard[corrected : corrected + 96] = True
        return heard

    def _corrected_day(self) -> int:
        today = self.now // DAY * DAY
        return today - min(20, (today - self.start) // DAY // 2) * DAY

    def _wind_as_first_read(self) -> FloatArray:
        """On one day, the wind farm's meter read too much."""
        first = self.slot(self._corrected_day())
        values = self.known.wind.copy()
        values[first : first + DAY // SLOT] *= 1.25
        return values

    def correction(self) -> Iterator[Message]:
        """That day as it should have been read, known three days later."""
        first = self.slot(self._corrected_day())
        last = first + DAY // SLOT
        fields = {"connection": WIND_FARM, "values": rounded(self.known.wind[first:last]), "horizon": "-P3D"}
        yield self._message("postMeterData", "MW", first, last, fields)

    def prices(self) -> Iterator[Message]:
        """Each day's at 12:45 on the day before, on local clocks; days of 23 and 25 hours too."""
        day = to_datetime(self.start + DAY, ZONE).replace(hour=0)
        while True:
            next_day = to_datetime(to_instant(day) + DAY + 2 * HOUR, ZONE).replace(hour=0)
            published = to_datetime(to_instant(day) - 2 * HOUR, ZONE).replace(hour=12, minute=45)
            if to_instant(published) > self.now:
                return
            first, last = self.slot(to_instant(day)), self.slot(to_instant(next_day))
            values = self.known.prices[first // SLOTS_PER_HOUR : last // SLOTS_PER_HOUR]
            fields = {"market": MARKET, "values": rounded(values, 2), "prior": published.isoformat()}
            yield self._message("postPriceData", "EUR/MWh", first, last, fields, local=True)
            day = next_day

    def observations(self) -> Iterator[Message]:
        """Weather as it was, month by month."""
        for name, unit, values in _weather_fields(self.known.weather, self.known.irradiance):
            for begin, end in _runs(self._heard(gaps=3), 0):
                for first in range(begin, end, 30 * DAY // SLOT):
                    last = min(first + 30 * DAY // SLOT, end)
                    fields = {"sensor": name, "values": rounded(values[first:last], 3), "horizon": "R/PT0H"}
                    yield self._message("postWeatherData", unit, first, last, fields)

    def weather_forecasts(self) -> Iterator[Message]:
        """Every morning at six (UTC), for two days, hour by hour."""
        for made in range(self.start + 6 * HOUR, self.now, DAY):
            first = self.slot(made)
            sky_clear = self.known.sky.clear[first : first + AHEAD // SLOT]
            expected = self._expect(first)
            for name, unit, values in _weather_fields(expected, expected.clearness * sky_clear):
                hourly = values.reshape(-1, SLOTS_PER_HOUR).mean(axis=1)
                fields = {"sensor": name, "values": rounded(hourly, 3), "horizon": format_span(AHEAD)}
                yield self._message("postWeatherData", unit, first, first + values.size, fields)

    def solar_forecasts(self) -> Iterator[Message]:
        """Rolling ones, month by month: each slot's 48, 24, 6 and 1 hours before its end."""
        for hours in (48, 24, 6, 1):
            noise = series.make_noise(self.rng, 3, self.known.starts.size, 24)
            expected = series.expect_weather(self.known.weather, hours, noise)
            values = series.solar_power(expected, self.known.sky)
            end = self.slot(self.now + hours * HOUR)
            for first in range(0, end, 30 * DAY // SLOT):
                last = min(first + 30 * DAY // SLOT, end)
                fields = {
                    "connection": SOLAR_ROOF,
                    "values": rounded(values[first:last]),
                    "horizon": f"R/PT{hours}H",
                }
                yield self._message("postPrognosis", "MW", first, last, fields)

    def charging_forecasts(self) -> Iterator[Message]:
        """Each day's at ten (UTC) on the day before: 38 hours before the day ends."""
        for day in self.days(self.now + 14 * HOUR):
            first = self.slot(day)
            last = first + DAY // SLOT
            groups = [
                {"connection": name, "values": rounded(values[first:last] * self.rng.normal(1, 0.08))}
                for name, values in zip(CHARGERS, self.known.expected_charging, strict=True)
            ]
            fields = {"groups": groups, "horizon": "PT38H"}
            yield self._message("postPrognosis", "MW", first, last, fields)

    def wind_forecasts(self) -> Iterator[Message]:
        """At midnight and at noon (UTC), for two days each."""
        for made in range(self.start, self.now, DAY // 2):
            first = self.slot(made)
            values = series.wind_power(self._expect(first))
            fields = {"connection": WIND_FARM, "values": rounded(values, 4), "horizon": format_span(AHEAD)}
            yield self._message("postPrognosis", "MW", first, first + values.size, fields)

    def _expect(self, first: int) -> Weather:
        """What is expected at the start of slot ``first`` of the two days that follow."""
        count = AHEAD // SLOT
        lead_hours = np.arange(1, count + 1) / SLOTS_PER_HOUR
        noise = series.make_noise(self.rng, 3, count, 24)
        return series.expect_weather(self.known.weather.part(first, count), lead_hours, noise)

    def _message(
        self, endpoint: str, unit: str, first: int, last: int, fields: dict[str, Any], *, local: bool = False
    ) -> Message:
        """A message about the slots from ``first`` up to ``last``."""
        start = self.start + first * SLOT
        about = {
            "type": f"{endpoint[0].upper()}{endpoint[1:]}Request",
            "start": format_instant(start, ZONE) if local else format_instant(start),
            "duration": format_span((last - first) * SLOT),
            "unit": unit,
        }
        size = sum(group["values"].size for group in fields.get("groups", [fields]))
        return Message(endpoint, about | fields, size)


def _weather_fields(weather: Weather, irradiance: FloatArray) -> Sequence[tuple[str, str, FloatArray]]:
    return (
        (TEMPERATURE, "°C", weather.temperature),
        (WIND_SPEED, "m/s", weather.wind_speed),
        (IRRADIANCE, "kW/m²", irradiance),
    )


def _runs(heard: BoolArray, offset: int) -> list[tuple[int, int]]:
    """Begin and end of each stretch of true values, counted from ``offset``."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], heard, [False])).astype(np.int8))) + offset
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def rounded(values: FloatArray, decimals: int = 5) -> FloatArray:
    """As a meter would write them; without negative zeros."""
    return np.round(values, decimals) + 0.0
