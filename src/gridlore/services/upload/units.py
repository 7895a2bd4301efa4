"""Convert the unit a file is in to the sensor's.

Layer: services.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gridlore.domain.sensors import Sensor, SensorKind
from gridlore.domain.timing import HOUR, FloatArray, IntArray

Convert = Callable[[FloatArray, IntArray], FloatArray]
"""Values, shape (n,), in the sensor's unit; the second argument holds the lengths of their intervals. [µs]"""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A unit that a file may be in; ``words`` are its spellings in headings."""

    unit: str
    convert: Convert
    words: tuple[str, ...] = ()


def _divide(divisor: float) -> Convert:
    return lambda values, _: values / divisor


def _power_of_energy(divisor: float) -> Convert:
    """Mean power of an amount of energy per interval."""
    return lambda values, lengths: values / divisor * (HOUR / np.maximum(lengths, 1))


_POWER = (
    Conversion("MW", _divide(1)),
    Conversion("kW", _divide(1e3)),
    Conversion("W", _divide(1e6)),
    Conversion("GW", _divide(1e-3)),
    Conversion("kWh per interval", _power_of_energy(1e3), ("kWh",)),
    Conversion("MWh per interval", _power_of_energy(1), ("MWh",)),
    Conversion("Wh per interval", _power_of_energy(1e6), ("Wh",)),
)
_WEATHER = {
    "°C": (
        Conversion("°C", _divide(1), ("C", "degC", "0C")),
        Conversion("°F", lambda values, _: (values - 32) / 1.8, ("F", "degF")),
        Conversion("K", lambda values, _: values - 273.15),
    ),
    "m/s": (
        Conversion("m/s", _divide(1)),
        Conversion("km/h", _divide(3.6)),
        Conversion("kn", lambda values, _: values * 1852 / 3600, ("kt", "knots")),
    ),
    "kW/m²": (
        Conversion("kW/m²", _divide(1), ("kW/m2",)),
        Conversion("W/m²", _divide(1e3), ("W/m2",)),
    ),
}


def list_conversions(sensor: Sensor) -> tuple[Conversion, ...]:
    """The units that a file about this sensor may be in, its own first.

    >>> price = Sensor(1, SensorKind.MARKET, "epex", "EUR/MWh", HOUR)
    >>> [conversion.unit for conversion in list_conversions(price)]
    ['EUR/MWh', 'EUR/kWh']
    """
    if sensor.kind is SensorKind.CONNECTION:
        return _POWER
    own = Conversion(sensor.unit, _divide(1))
    currency, _, energy = sensor.unit.partition("/")
    if sensor.kind is SensorKind.MARKET and energy == "MWh":
        return (own, Conversion(f"{currency}/kWh", _divide(1e-3)))
    if sensor.kind is SensorKind.MARKET and energy == "kWh":
        return (own, Conversion(f"{currency}/MWh", _divide(1e3)))
    return _WEATHER.get(sensor.unit, (own,))


def find_unit(heading: str, conversions: tuple[Conversion, ...]) -> str | None:
    """The unit that a column's heading names, if it names one.

    >>> find_unit("Power [kW]", _POWER), find_unit("kWh", _POWER), find_unit("value", _POWER)
    ('kW', 'kWh per interval', None)
    """
    words = heading.replace("[", " ").replace("]", " ").replace("(", " ").replace(")", " ")
    named = set(words.replace("_", " ").replace(",", " ").split())
    for conversion in conversions:
        if named & {conversion.unit, *conversion.words}:
            return conversion.unit
    return None
