"""A table says of each event what a writer of one row after the other would."""

import csv
import io
import random
from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.overlay import Picture
from gridlore.domain.sensors import Account, Sensor, SensorKind, Source, SourceKind, User
from gridlore.domain.timing import MINUTE, NEVER, Grid, format_instant
from gridlore.services.directory import Directory
from gridlore.services.query import Reading
from gridlore.store.interface import Store
from gridlore.web.tables import write_csv

QUARTER = 15 * MINUTE
CLOCK_CHANGE = 1_711_839_600_000_000
"""2024-03-30T23:00Z, two hours before clocks are put forward in Europe."""
NAMES = ["rosa", 'Ann, "the" second', "=2+3", "line\nbreak", "\ttab", "", "Ωmega"]


@pytest.fixture
def directory(store: Store) -> Directory:
    with store.change_directory() as records:
        records.save_account(Account(1, "Charge Co", frozenset({"Prosumer"})))
        for number, name in enumerate(NAMES, 1):
            user = User(number, f"{number}@example.com", name, 1, frozenset(), True, None, "key")
            records.save_user(user)
            records.save_source(Source(number, SourceKind.USER, name, number))
    return Directory(store.read_directory(), NamingAuthority())


def make_reading(name: str, chance: random.Random, count: int) -> Reading:
    draw = np.random.default_rng(chance.randrange(1000))
    values = draw.choice([np.nan, 1.5, 100.0, -0.0, 1e-7, 1e22, 0.1 + 0.2, np.inf], count)
    unknown = np.isnan(values)
    times = np.where(unknown, NEVER, CLOCK_CHANGE + draw.integers(-(10**13), 10**13, count))
    times[::2] -= times[::2] % 1_000_000 * ~unknown[::2]
    sources = np.where(unknown, 0, draw.integers(1, len(NAMES) + 2, count))
    sensor = Sensor(1, SensorKind.CONNECTION, "CS 1", "MW", QUARTER, owner_id=1)
    return Reading(name, sensor, Grid(CLOCK_CHANGE, QUARTER, count), Picture(values, times, sources))


def write_slowly(
    directory: Directory, readings: list[Reading], zone: timezone | ZoneInfo, heading: str | None
) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    several = heading is not None or len(readings) > 1
    names = [heading or "sensor"] if several else []
    writer.writerow([*names, "event_start", "value", "belief_time", "source"])
    for reading in readings:
        for index, start in enumerate(reading.grid.event_starts()):
            value, time = float(reading.picture.values[index]), int(reading.picture.times[index])
            source = directory.sources.get(int(reading.picture.sources[index]))
            name = [harmless(reading.name)] if several else []
            told: list[object] = ["", "", ""]
            if not np.isnan(value):
                told = [value + 0.0, format_instant(time, zone), harmless(source.name) if source else ""]
            writer.writerow([*name, format_instant(int(start), zone), *told])
    return table.getvalue()


def harmless(text: str) -> str:
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-3.5)), ZoneInfo("Europe/Amsterdam")])
@pytest.mark.parametrize(
    ("names", "heading"), [(["one"], None), (["a", "=b,c", "", "d"], None), (["x"], "kind")]
)
def test_a_table_says_what_a_slow_writer_would(
    directory: Directory,
    monkeypatch: pytest.MonkeyPatch,
    zone: timezone | ZoneInfo,
    names: list[str],
    heading: str | None,
) -> None:
    monkeypatch.setattr("gridlore.web.tables.ROWS_AT_ONCE", 7)
    chance = random.Random(len(names))
    readings = [
        make_reading(name, chance, count) for name, count in zip(names, [200, 1, 0, 30], strict=False)
    ]
    table = write_csv(directory, readings, zone, heading=heading).decode()
    assert table == write_slowly(directory, readings, zone, heading)


def test_a_table_of_nothing_has_a_heading_only(directory: Directory) -> None:
    assert write_csv(directory, [], UTC) == b"event_start,value,belief_time,source\n"
