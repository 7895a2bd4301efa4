"""How fresh sensors are: lateness from heads alone, the last day and its gaps from blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.beliefs import make_blocks, split_block
from gridlore.domain.heads import Head, Latest
from gridlore.domain.sensors import Account, Sensor, SensorKind, Source, SourceKind, User
from gridlore.domain.timing import DAY, HOUR, MINUTE, SECOND, Grid, Timing
from gridlore.services.directory import Directory
from gridlore.services.freshness import MAX_EVENTS, Freshness, FreshnessReader, late_by
from gridlore.store.interface import Store
from gridlore.store.writer import Writer

QUARTER = 15 * MINUTE
NOW = 19_000 * DAY + 10 * HOUR + 7 * MINUTE
"""A morning, seven minutes into a quarter of an hour."""

QUARTER_START = NOW - 7 * MINUTE
METER = Sensor(1, SensorKind.CONNECTION, "CS 1", "MW", QUARTER, owner_id=1)
MARKET = Sensor(2, SensorKind.MARKET, "epex_da", "EUR/MWh", HOUR)
FAST = Sensor(
    3, SensorKind.WEATHER, "Roof", "°C", SECOND, quantity="temperature", latitude=1.0, longitude=1.0
)


def measured_until(sensor: Sensor, end: int) -> Head:
    newest = Latest(end - sensor.resolution, 1.0, end, 1)
    return Head(sensor.id, 2, end - DAY, end, newest, newest)


@pytest.mark.parametrize(
    ("ended_ago", "late"),
    [(0, False), (QUARTER, False), (2 * QUARTER, False), (2 * QUARTER + 1, True), (DAY, True)],
)
def test_data_is_late_from_two_events_after_its_end(ended_ago: int, late: bool) -> None:
    assert late_by(METER, measured_until(METER, NOW - ended_ago), NOW) == (ended_ago if late else None)


def test_forecasts_do_not_make_late_measurements_fresh() -> None:
    old, ahead = Latest(NOW - DAY - QUARTER, 1.0, NOW - DAY, 1), Latest(NOW + DAY - QUARTER, 1.0, NOW, 1)
    head = Head(1, 2, NOW - 2 * DAY, NOW + DAY, latest=ahead, measured=old)
    assert late_by(METER, head, NOW) == DAY


def test_of_a_market_the_newest_known_price_counts() -> None:
    newest = Latest(NOW - 4 * HOUR, 1.0, NOW - DAY, 1)
    assert late_by(MARKET, Head(2, 2, NOW - DAY, NOW - 3 * HOUR, newest, None), NOW) == 3 * HOUR
    assert late_by(MARKET, Head(2, 2, NOW - DAY, NOW + 3 * HOUR, newest, None), NOW) is None


def test_nobody_waits_for_a_sensor_that_never_sent_anything() -> None:
    forecast = Latest(NOW - 3 * DAY, 1.0, NOW - 4 * DAY, 1)
    assert late_by(METER, Head(1), NOW) is None
    assert late_by(MARKET, Head(2), NOW) is None
    assert late_by(METER, Head(1, 2, NOW - 4 * DAY, NOW - 2 * DAY, forecast, None), NOW) is None


class Desk:
    """Posts to sensors and asks how fresh they are."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writer = Writer(store, max_queue_bytes=100_000_000)

    def post(self, sensor: Sensor, end: int, values: list[float], timing: Timing, source: int = 1) -> None:
        """Values of the events up to ``end``."""
        grid = Grid(end - len(values) * sensor.resolution, sensor.resolution, len(values))
        made = make_blocks(sensor.id, source, grid, np.array(values), timing, NOW)
        self._writer.submit([part for block in made for part in split_block(block)]).result()

    def ask(self, *sensors: Sensor) -> list[Freshness]:
        """How fresh they are to the first user."""
        directory = Directory(self._store.read_directory(), NamingAuthority())
        heads = self._store.read_heads([sensor.id for sensor in sensors])
        return FreshnessReader(self._store).read(directory, directory.users[1], sensors, heads, NOW)

    def close(self) -> None:
        self._writer.close()


AFTERWARDS = Timing(belief_horizon=0)


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    with store.change_directory() as directory:
        directory.save_account(Account(1, "Charge Co", frozenset({"Prosumer"})))
        directory.save_user(User(1, "a@example.com", "a", 1, frozenset(), True, None, "key"))
        directory.save_source(Source(1, SourceKind.USER, "a", 1))
        directory.save_source(Source(2, SourceKind.FORECASTER, "model", None))
        for sensor in (METER, MARKET, FAST):
            directory.save_sensor(sensor)
    opened = Desk(store)
    yield opened
    opened.close()


def test_the_last_day_ends_with_the_newest_measurement_and_shows_what_is_missing(desk: Desk) -> None:
    desk.post(METER, QUARTER_START - 30 * QUARTER, [1.0] * 100, AFTERWARDS)
    desk.post(METER, QUARTER_START - 2 * QUARTER, [2.0] * 20, AFTERWARDS)
    desk.post(METER, QUARTER_START + DAY, [9.0] * 200, Timing(belief_time=NOW - 3 * DAY), source=2)
    (fresh,) = desk.ask(METER)
    assert fresh.day == Grid(QUARTER_START - 2 * QUARTER - DAY, QUARTER, 96)
    expected = np.concatenate([np.full(68, 1.0), np.full(8, np.nan), np.full(20, 2.0)])
    np.testing.assert_array_equal(fresh.values, expected)
    assert (fresh.missing, fresh.latest, fresh.latest_end) == (8, 2.0, QUARTER_START - 2 * QUARTER)
    assert fresh.late_by == 2 * QUARTER + 7 * MINUTE
    assert not fresh.is_forecast


def test_what_came_before_the_first_event_is_not_missing(desk: Desk) -> None:
    desk.post(METER, QUARTER_START, [1.0] * 5, AFTERWARDS)
    (fresh,) = desk.ask(METER)
    assert (fresh.missing, fresh.values.size, fresh.late_by) == (0, 5, None)


def test_the_day_of_a_market_ends_with_the_price_of_now(desk: Desk) -> None:
    this_hour = NOW - 7 * MINUTE
    desk.post(
        MARKET, this_hour + 14 * HOUR, [float(hour) for hour in range(48)], Timing(belief_time=NOW - DAY)
    )
    (fresh,) = desk.ask(MARKET)
    assert fresh.day == Grid(this_hour + HOUR - DAY, HOUR, 24)
    assert fresh.latest == 34.0
    assert (fresh.latest_end, fresh.known_until) == (this_hour + HOUR, this_hour + 14 * HOUR)
    assert not fresh.is_forecast


def test_of_a_sensor_that_was_never_measured_the_forecast_of_now_is_told(desk: Desk) -> None:
    desk.post(
        METER, QUARTER_START + DAY, [float(n) for n in range(192)], Timing(belief_time=NOW - 2 * DAY), 2
    )
    (fresh,) = desk.ask(METER)
    assert (fresh.latest, fresh.latest_end) == (96.0, QUARTER_START + QUARTER)
    assert (fresh.is_forecast, fresh.late_by, fresh.known_until) == (True, None, None)


def test_forecasts_of_the_future_alone_show_no_day(desk: Desk) -> None:
    desk.post(METER, QUARTER_START + 2 * DAY, [1.0] * 96, Timing(belief_time=NOW), 2)
    (fresh,) = desk.ask(METER)
    assert (fresh.day, fresh.latest, fresh.missing) == (None, None, 0)


def test_of_a_sensor_with_very_many_events_the_last_ones_are_shown(desk: Desk) -> None:
    desk.post(FAST, NOW, [1.0] * 5000, AFTERWARDS)
    (fresh,) = desk.ask(FAST)
    assert fresh.values.size == MAX_EVENTS
    assert fresh.missing == 0


def test_sensors_are_told_in_order_also_those_without_data(desk: Desk) -> None:
    desk.post(METER, QUARTER_START, [5.0], AFTERWARDS)
    told = desk.ask(FAST, METER, MARKET)
    assert [(fresh.sensor.id, fresh.latest) for fresh in told] == [(3, None), (1, 5.0), (2, None)]
    assert desk.ask() == []


def test_what_is_too_much_for_all_is_read_sensor_by_sensor(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.post(METER, QUARTER_START, [5.0] * 96, AFTERWARDS)
    for source in (1, 2):
        desk.post(FAST, NOW, [6.0] * MAX_EVENTS, AFTERWARDS, source)
    desk.post(MARKET, NOW - 7 * MINUTE, [7.0] * 24, Timing(belief_time=NOW - DAY))
    monkeypatch.setattr("gridlore.store.amounts.MAX_READ_BYTES", 4096)
    told = desk.ask(METER, FAST, MARKET)
    assert [(fresh.sensor.id, np.nansum(fresh.values)) for fresh in told] == [(1, 480), (3, 0), (2, 168)]
    assert [fresh.is_too_much for fresh in told] == [False, True, False]
    assert [fresh.missing for fresh in told] == [0, 0, 0]
    monkeypatch.setattr("gridlore.services.freshness.PATIENCE", 0.0)
    assert [fresh.is_too_much for fresh in desk.ask(METER, FAST, MARKET)] == [True, True, True]
