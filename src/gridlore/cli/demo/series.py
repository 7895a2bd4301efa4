"""A year of plausible weather, power and prices, and of forecasts that get better as the time comes near.

Layer: cli. Pure: NumPy and a seed; the same start and seed give the same series.

Slots are 15 minutes. Times are int64 µs since the epoch, UTC; arrays over time have the shape (count,).
Power is in MW, consumption positive and production negative; what the sun and the wind do is positive.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np

from gridlore.domain.timing import DAY, HOUR, MINUTE, FloatArray, IntArray, to_datetime

SLOT = 15 * MINUTE
SLOTS_PER_HOUR = HOUR // SLOT

LATITUDE = 52.37
LONGITUDE = 4.90
"""Where everything stands. [degrees north, east]"""
ZONE = ZoneInfo("Europe/Amsterdam")

SOLAR_PEAK = 0.45
"""Power of the solar roof at 1 kW/m² on the panels and 25 °C. [MW]"""
PANEL_TILT = np.radians(30)
WIND_FARM_RATED = 24.0
"""[MW]"""
CUT_IN, RATED, CUT_OUT = 3.0, 12.5, 25.0
"""Wind speeds at hub height at which turbines start, reach full power, and stop. [m/s]"""
HUB_TO_10_METRES = 0.68
"""Ratio of the wind speeds at 10 m, where it is measured, and at the hub."""


@dataclass(frozen=True, slots=True, eq=False)
class Sky:
    """What the sun would do without clouds, shape (count,).

    ``sine``: of the sun's elevation. ``on_panels``: cosine of the angle at which the sun meets the panels,
    which face south. ``clear``: irradiance on level ground. [kW/m²]
    """

    sine: FloatArray
    on_panels: FloatArray
    clear: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Weather:
    """Weather as it was, or as somebody expected it, shape (..., count).

    ``clearness``: share of the clear sky's irradiance that arrives. ``hub_speed``: wind at hub height. [m/s]
    ``temperature``: [°C]
    """

    clearness: FloatArray
    hub_speed: FloatArray
    temperature: FloatArray

    @property
    def wind_speed(self) -> FloatArray:
        """Wind at 10 m. [m/s]"""
        return self.hub_speed * HUB_TO_10_METRES

    def part(self, first: int, count: int) -> Weather:
        """The ``count`` slots from slot ``first`` on."""
        span = slice(first, first + count)
        return Weather(self.clearness[..., span], self.hub_speed[..., span], self.temperature[..., span])


def slot_starts(start: int, count: int) -> IntArray:
    """Start of each slot. [µs since epoch]"""
    return start + SLOT * np.arange(count, dtype=np.int64)


def local_hours(starts: IntArray) -> tuple[FloatArray, IntArray]:
    """Hour of the day and day of the week (Monday is 0) in the middle of each slot, on the clocks of ZONE."""
    hours = starts // HOUR * HOUR
    offsets = {int(hour): to_datetime(int(hour), ZONE).utcoffset() for hour in np.unique(hours)}
    shift = [
        int(offset.total_seconds() * 1e6) if offset else 0 for offset in map(offsets.get, hours.tolist())
    ]
    local = starts + np.array(shift, dtype=np.int64) + SLOT // 2
    weekday = (local // DAY + 3) % 7  # 1970-01-01 was a Thursday
    return local % DAY / HOUR, weekday


def season(starts: IntArray) -> FloatArray:
    """1 in midwinter, −1 in midsummer."""
    days = (starts / DAY) % 365.2425  # since a 1st of January
    result: FloatArray = np.cos(2 * np.pi * (days - 15) / 365.2425)
    return result


def make_sky(starts: IntArray) -> Sky:
    """Where the sun stands in the middle of each slot.

    Sources: Spencer 1971 (declination, equation of time); Haurwitz 1945 (irradiance of a clear sky).
    """
    middle = starts + SLOT // 2
    angle = 2 * np.pi * ((middle / DAY) % 365.2425) / 365.2425
    declination = (
        0.006918
        - 0.399912 * np.cos(angle)
        + 0.070257 * np.sin(angle)
        - 0.006758 * np.cos(2 * angle)
        + 0.000907 * np.sin(2 * angle)
    )
    equation_of_time = 229.18 * (  # [min]
        0.000075
        + 0.001868 * np.cos(angle)
        - 0.032077 * np.sin(angle)
        - 0.014615 * np.cos(2 * angle)
        - 0.040849 * np.sin(2 * angle)
    )
    solar_hours = middle % DAY / HOUR + LONGITUDE / 15 + equation_of_time / 60
    hour_angle = np.radians(15 * (solar_hours - 12))
    sine = _sun_on_tilted(declination, hour_angle, 0.0)
    up = sine > 0.01
    clear = np.where(up, 1.098 * sine * np.exp(-0.057 / np.where(up, sine, 1.0)), 0.0)
    return Sky(sine, np.maximum(_sun_on_tilted(declination, hour_angle, PANEL_TILT), 0.0) * up, clear)


def _sun_on_tilted(declination: FloatArray, hour_angle: FloatArray, tilt: float) -> FloatArray:
    """Cosine of the sun's angle to a south-facing plane: as on level ground, that much further south."""
    latitude = np.radians(LATITUDE) - tilt
    result: FloatArray = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(
        declination
    ) * np.cos(hour_angle)
    return result


def make_noise(rng: np.random.Generator, rows: int, count: int, memory: float) -> FloatArray:
    """Standard normal noise that forgets itself over ``memory`` slots, shape (rows, count)."""
    keep = np.exp(-1.0 / memory)
    shocks = rng.standard_normal((count, rows)) * np.sqrt(1 - keep**2)
    state = rng.standard_normal(rows)
    noise = np.empty((count, rows))
    for slot in range(count):
        state = keep * state + shocks[slot]
        noise[slot] = state
    return np.ascontiguousarray(noise.T)


def make_weather(rng: np.random.Generator, starts: IntArray) -> Weather:
    """The weather of a flat country by the sea."""
    count = starts.size
    winter = season(starts)
    days, hours = make_noise(rng, 3, count, 2.5 * 96), make_noise(rng, 3, count, 16)
    cloudiness = 0.8 * days[0] + 0.6 * hours[0] + 0.35 * winter
    clearness = 0.18 + 0.82 / (1 + np.exp(1.6 * cloudiness - 0.5))
    share_calmer = 1 / (1 + np.exp(-1.702 * (0.85 * days[1] + 0.5 * hours[1])))  # nearly the normal law's
    scale = 8.2 * (1 + 0.16 * winter)
    hub_speed = scale * np.sqrt(-np.log1p(-np.clip(share_calmer, 0, 0.9995)))  # Weibull's law, shape 2
    solar_hours = starts % DAY / HOUR + LONGITUDE / 15
    daily = (3.2 - 1.8 * winter) * np.cos(2 * np.pi * (solar_hours - 15) / 24)
    temperature = 10.5 - 7.5 * winter + daily * (0.5 + 0.7 * clearness) + 3.0 * days[2] + 0.5 * hours[2]
    return Weather(clearness, hub_speed, temperature)


def expect_weather(weather: Weather, lead_hours: FloatArray | float, noise: FloatArray) -> Weather:
    """The weather as it was expected so long before: the further ahead, the further off.

    Parameters
    ----------
    lead_hours : float or float64 array, shape (count,)
        Hours from forecast to slot.
    noise : float64 array, shape (3, ..., count)
        Standard normal.
    """
    lead = np.asarray(lead_hours, dtype=np.float64)
    clearness = weather.clearness + (0.03 + 0.22 * (1 - np.exp(-lead / 20))) * noise[0]
    hub_speed = weather.hub_speed + (0.25 + 2.4 * (1 - np.exp(-lead / 24))) * noise[1]
    temperature = weather.temperature + (0.2 + 2.2 * (1 - np.exp(-lead / 36))) * noise[2]
    return Weather(np.clip(clearness, 0.12, 1.0), np.maximum(hub_speed, 0.0), temperature)


def irradiance(weather: Weather, sky: Sky) -> FloatArray:
    """On level ground. [kW/m²]"""
    return weather.clearness * sky.clear


def solar_power(weather: Weather, sky: Sky) -> FloatArray:
    """Power of the roof: never positive, zero at night. [MW]"""
    level = irradiance(weather, sky)
    diffuse = level * (1 - 0.85 * weather.clearness**2)
    steepness = np.minimum(sky.on_panels / np.maximum(sky.sine, 0.05), 3.0)
    on_panels = (level - diffuse) * steepness + diffuse
    heat = weather.temperature + 25 * on_panels - 25  # of the cells, above 25 °C
    return -np.clip(SOLAR_PEAK * 0.9 * on_panels * (1 - 0.0038 * heat), 0.0, SOLAR_PEAK)


def wind_power(weather: Weather) -> FloatArray:
    """Power of the wind farm: never positive. [MW]"""
    speed = weather.hub_speed
    share = np.clip((speed**3 - CUT_IN**3) / (RATED**3 - CUT_IN**3), 0.0, 1.0)
    return -WIND_FARM_RATED * np.where(speed < CUT_OUT, share, 0.0)


def charging_profile(starts: IntArray, *, evening: float) -> FloatArray:
    """How many cars arrive in each slot on average; ``evening`` is the share that comes after work."""
    hour, weekday = local_hours(starts)
    peak = np.exp(-(((hour - 18.2) / 1.7) ** 2) / 2) / 1.7
    morning = np.exp(-(((hour - 8.8) / 1.3) ** 2) / 2) / 1.3
    midday = np.exp(-(((hour - 13.5) / 2.6) ** 2) / 2) / 2.6
    shape = evening * peak + (1 - evening) * np.where(weekday < 5, 0.8 * morning + 0.2 * midday, midday)
    per_day: FloatArray = shape / np.sqrt(2 * np.pi) * (SLOT / HOUR)
    return per_day * np.where(weekday < 5, 1.0, 0.75)


def charging_power(
    rng: np.random.Generator, arrivals: FloatArray, *, plugs: int, plug_power: float
) -> FloatArray:
    """Power of a charging station: cars come, charge for a while each, and go. [MW]

    Parameters
    ----------
    arrivals : float64 array, shape (count,)
        Cars that arrive in each slot, on average.
    plug_power : float
        Of each of the ``plugs``. [MW]
    """
    cars = rng.poisson(arrivals)
    first = np.repeat(np.arange(arrivals.size), cars)
    length = 1 + rng.gamma(2.2, 4.5, first.size).astype(np.int64)  # [slots], ten on average
    change = np.bincount(first, minlength=arrivals.size).astype(np.float64)
    change -= np.bincount(np.minimum(first + length, arrivals.size), minlength=arrivals.size + 1)[:-1]
    charging = np.minimum(np.cumsum(change), plugs)
    idle = 0.0004  # lights, modem and cooling [MW]
    return idle + charging * plug_power * rng.uniform(0.93, 1.0, arrivals.size)


def expect_charging(profile: FloatArray, *, plugs: int, plug_power: float) -> FloatArray:
    """What a forecaster expects who knows only the weekly pattern. [MW]"""
    staying = np.exp(-np.arange(40) / 10)
    expected = np.convolve(profile, staying)[: profile.size]
    power: FloatArray = 0.0004 + np.minimum(expected, plugs) * plug_power
    return power


def hourly_prices(
    rng: np.random.Generator, starts: IntArray, solar: FloatArray, wind: FloatArray
) -> FloatArray:
    """Day-ahead prices, shape (count / 4,), lower the more sun and wind there is. [EUR/MWh]

    Parameters
    ----------
    solar, wind : float64 array, shape (count,)
        Share of full power that the whole country's sun and wind give.
    """
    hours = starts[::SLOTS_PER_HOUR]
    hour, weekday = local_hours(hours)
    morning, evening = np.exp(-(((hour - 8.5) / 1.8) ** 2)), np.exp(-(((hour - 19.0) / 2.2) ** 2))
    night = np.exp(-(((hour - 3.5) / 3.0) ** 2))
    demand = 24 * morning + 34 * evening - 16 * night - np.where(weekday >= 5, 11.0, 0.0) + 14 * season(hours)
    sun, blow = (share.reshape(-1, SLOTS_PER_HOUR).mean(axis=1) for share in (solar, wind))
    noise = make_noise(rng, 2, hours.size, 60)
    quick = rng.standard_normal(hours.size) * 4
    prices: FloatArray = 92 + demand - 95 * sun - 62 * blow + 11 * noise[0] + quick
    return prices + np.where(prices > 120, 0.5 * (prices - 120), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Station:
    """A charging station: how it is used, and by how many plugs of which power. [MW]"""

    cars_per_day: float
    evening: float
    plugs: int
    plug_power: float


STATIONS = (Station(26, 0.8, 12, 0.011), Station(34, 0.35, 6, 0.05))
"""A car park of homes, and a fast-charging site by the road."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Everything that happened, shape (count,) each; ``charging`` for each of STATIONS."""

    starts: IntArray
    sky: Sky
    weather: Weather
    solar: FloatArray
    wind: FloatArray
    charging: tuple[FloatArray, ...]
    expected_charging: tuple[FloatArray, ...]
    prices: FloatArray

    @property
    def irradiance(self) -> FloatArray:
        """On level ground. [kW/m²]"""
        return irradiance(self.weather, self.sky)


def make_series(start: int, count: int, seed: int) -> Series:
    """Everything that happens in ``count`` slots from ``start`` on, which is a full hour."""
    rng = np.random.default_rng(seed)
    starts = slot_starts(start, count)
    sky = make_sky(starts)
    weather = make_weather(rng, starts)
    solar, wind = solar_power(weather, sky), wind_power(weather)
    profiles = [
        station.cars_per_day * charging_profile(starts, evening=station.evening) for station in STATIONS
    ]
    charging = [
        charging_power(rng, profile, plugs=station.plugs, plug_power=station.plug_power)
        for station, profile in zip(STATIONS, profiles, strict=True)
    ]
    expected = [
        expect_charging(profile, plugs=station.plugs, plug_power=station.plug_power)
        for station, profile in zip(STATIONS, profiles, strict=True)
    ]
    calmer = replace(weather, hub_speed=0.85 * weather.hub_speed + 1.0)  # a country is calmer than a place
    prices = hourly_prices(rng, starts, -solar / SOLAR_PEAK, -wind_power(calmer) / WIND_FARM_RATED)
    return Series(starts, sky, weather, solar, wind, tuple(charging), tuple(expected), prices)
