"""Posts: from the bytes of a message to the command to store its values.

Layer: wire. Makes every check that the message alone shows, in the order of the API contract: JSON and
type, unit, sensors, values, horizon, prior, start and duration, prior against the period.
"""

from __future__ import annotations

from collections.abc import Mapping

from gridlore.domain.addresses import weather_quantity
from gridlore.domain.commands import PostCommand, PostedGroup
from gridlore.domain.errors import (
    HorizonError,
    MessageTypeError,
    MessageTypeMissingError,
    UnitError,
    ValuesLimitError,
)
from gridlore.domain.sensors import SensorKind
from gridlore.domain.timing import EARLIEST, LATEST, Timing, to_instant
from gridlore.domain.units import POWER_UNIT, WEATHER_UNITS, is_price_unit, normalise_unit
from gridlore.wire.bodies import MAX_ITEMS, Fields, check_items, decode_directly, decode_patiently
from gridlore.wire.endpoints import POST_METER_DATA, POST_PROGNOSIS, Endpoint
from gridlore.wire.fields import find_groups, for_all
from gridlore.wire.iso8601 import Horizon
from gridlore.wire.timings import (
    Period,
    check_measured_prior,
    read_horizon,
    read_measured_horizon,
    read_period,
    read_prior,
)
from gridlore.wire.values import Reader, check_numbers, copy_floats, read_values

MAX_VALUES = MAX_ITEMS // 2
"""Values that one message may store, unless a setting says otherwise."""

AT_THE_END = Timing(belief_horizon=0)
"""Each value known when its event ends: what meter data that state neither horizon nor prior mean."""

MEASURED_HORIZON = "Meter data must have a zero or negative horizon to indicate observations after the fact."


def read_post(
    endpoint: Endpoint, body: bytes, weather_units: Mapping[str, str], *, max_values: int = MAX_VALUES
) -> PostCommand:
    """The command that a posted message gives.

    Parameters
    ----------
    endpoint : Endpoint
        Where it was posted.
    body : bytes
        JSON, unpacked.
    weather_units : mapping from str to str
        Units of all quantities this server knows, in the spelling we keep.
    max_values : int
        Values that one message may store. How many it would store is known only later; a message that
        lists far more is refused here, before they take memory.

    Raises
    ------
    GridloreError
        The first complaint in the order of the contract.
    """
    check_items(body, max(MAX_ITEMS, 2 * max_values), ValuesLimitError)
    message = decode_directly(body, endpoint.noun)
    if message is not None:
        return make_command(endpoint, message, weather_units, copy_floats)
    return make_command(endpoint, decode_patiently(body), weather_units, check_numbers)


def make_command(
    endpoint: Endpoint, message: Fields, weather_units: Mapping[str, str], reader: Reader
) -> PostCommand:
    """The command that decoded fields give; ``reader`` makes arrays of their values."""
    check_type(endpoint, message)
    if endpoint.kind is None:
        raise ValueError(f"{endpoint.name} takes no posts")
    unit = read_unit(endpoint.kind, message, weather_units)
    groups = find_groups(message, endpoint.noun, valued=True)
    arrays = read_values(message, [group for _, group in groups], reader)
    horizon = _read_horizon(endpoint, message)
    prior = read_prior(message)
    period = read_period(message)
    measured = endpoint.name == POST_METER_DATA.name
    if measured:
        check_measured_prior(prior, period)
    timing = _time(horizon, prior, period)
    if timing is None and measured:
        timing = AT_THE_END
    posted = tuple(
        PostedGroup(addresses, array) for (addresses, _), array in zip(groups, arrays, strict=True)
    )
    return PostCommand(endpoint.kind, unit, posted, period.start, period.end, timing)


def check_type(endpoint: Endpoint, message: Fields) -> None:
    """A message says what it is.

    Raises
    ------
    MessageTypeMissingError, MessageTypeError
        It does not, or says it is another one.
    """
    if "type" not in message:
        raise MessageTypeMissingError(
            f"Request message should include 'type'. Here it is {endpoint.request_type!r}."
        )
    if message["type"] != endpoint.request_type:
        raise MessageTypeError(f"Request message should specify type {endpoint.request_type!r}.")


def read_unit(kind: SensorKind, message: Fields, weather_units: Mapping[str, str] = WEATHER_UNITS) -> str:
    """The unit of a message, in the spelling we keep.

    Raises
    ------
    UnitError
        It is missing, or not one for this kind of data.
    """
    unit = for_all(message, "unit", UnitError)
    match kind:
        case SensorKind.CONNECTION:
            if unit == POWER_UNIT:
                return POWER_UNIT
            raise UnitError(f"Data for power should be given in {POWER_UNIT}.")
        case SensorKind.MARKET:
            if isinstance(unit, str) and is_price_unit(unit):
                return unit
            raise UnitError("Data for price should be given in EUR/MWh or KRW/kWh.")
        case SensorKind.WEATHER:
            if isinstance(unit, str) and normalise_unit(unit) in weather_units.values():
                return normalise_unit(unit)
            raise UnitError(_explain_weather_unit(message, weather_units))


def _explain_weather_unit(message: Fields, weather_units: Mapping[str, str]) -> str:
    """Which unit would be right, for the quantity of the first sensor if its address can be read."""
    groups = message.get("groups")
    first = groups[0] if isinstance(groups, list) and groups and isinstance(groups[0], dict) else message
    named = first.get("sensor", first.get("sensors"))
    address = named[0] if isinstance(named, list) and named else named
    quantity = weather_quantity(address) if isinstance(address, str) else None
    if quantity is not None and quantity in weather_units:
        return f"Data for {quantity} should be given in {weather_units[quantity]}."
    *most, last = sorted(set(weather_units.values()))
    known = f"{', '.join(most)} or {last}" if most else last
    return f"Data for weather should be given in {known}."


def _read_horizon(endpoint: Endpoint, message: Fields) -> Horizon | None:
    if endpoint.name == POST_METER_DATA.name:
        return read_measured_horizon(message, MEASURED_HORIZON)
    horizon = read_horizon(message)
    if endpoint.name == POST_PROGNOSIS.name and horizon is None and "prior" not in message:
        raise HorizonError(
            "A prognosis should say when it was made, by a horizon such as PT6H (or R/PT6H, for each "
            "interval), or by a prior; got neither."
        )
    return horizon


def _time(horizon: Horizon | None, prior: int | None, period: Period) -> Timing | None:
    """When the values were known: the earlier of what horizon and prior say; None when neither is there."""
    if horizon is None:
        return None if prior is None else Timing(belief_time=prior)
    if not horizon.rolling:
        belief_time = to_instant(horizon.before(period.last))
        return Timing(belief_time=belief_time if prior is None else min(belief_time, prior))
    belief_horizon = horizon.resolve(period.last)
    if period.start - belief_horizon < EARLIEST or period.end - belief_horizon > LATEST:
        raise HorizonError("The belief times that the horizon leads to lie outside the years 1900 to 2200.")
    return Timing(belief_time=prior, belief_horizon=belief_horizon)
