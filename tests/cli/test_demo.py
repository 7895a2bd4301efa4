"""The demo world: plausible, sent as clients send, and told how to use."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from litestar.testing import TestClient

from gridlore.bootstrap import connect_store, create_app
from gridlore.cli import main
from gridlore.cli.demo import series
from gridlore.cli.demo.guide import QUARTERS, make_guide
from gridlore.cli.demo.scenario import CHARGERS, PASSWORDS, make_streams
from gridlore.config import PREFIX, Settings, load_settings
from gridlore.domain.timing import DAY, HOUR, format_instant, to_instant
from tests.acceptance.conftest import start_server

SPRING = to_instant(datetime(2025, 3, 1, tzinfo=UTC))
YEAR = 365 * 96


@pytest.fixture(scope="module")
def year() -> series.Series:
    """A year from the first of March on."""
    return series.make_series(SPRING, YEAR, seed=1)


def test_the_same_seed_gives_the_same_year(year):
    again = series.make_series(SPRING, YEAR, seed=1)
    other = series.make_series(SPRING, YEAR, seed=2)
    assert np.array_equal(again.prices, year.prices)
    assert np.array_equal(again.solar, year.solar)
    assert not np.array_equal(other.wind, year.wind)


@pytest.mark.parametrize(
    ("day", "sunrise", "sunset"),
    [((2025, 6, 21), 3.3, 20.1), ((2025, 12, 21), 7.8, 15.5), ((2025, 9, 22), 5.4, 17.6)],
)
def test_the_sun_rises_and_sets_when_it_does_in_amsterdam(day, sunrise, sunset):
    """Within a quarter of an hour of an almanac. [h UTC]"""
    sky = series.make_sky(series.slot_starts(to_instant(datetime(*day, tzinfo=UTC)), 96))
    up = np.flatnonzero(sky.sine > 0) / 4
    assert abs(up[0] - sunrise) <= 0.3
    assert abs(up[-1] + 0.25 - sunset) <= 0.3


def test_the_roof_produces_by_day_only_and_more_in_summer(year):
    assert np.all(year.solar <= 0)
    assert np.all(year.solar >= -series.SOLAR_PEAK)
    assert np.all(year.solar[year.sky.sine <= 0] == 0)
    june, december = year.solar[92 * 96 : 122 * 96], year.solar[275 * 96 : 306 * 96]
    assert june.mean() < 3 * december.mean() < 0


def test_the_wind_farm_runs_at_a_plausible_share_of_its_power(year):
    assert np.all((year.wind <= 0) & (year.wind >= -series.WIND_FARM_RATED))
    assert 0.2 < -year.wind.mean() / series.WIND_FARM_RATED < 0.45
    change = np.corrcoef(year.wind[:-4], year.wind[4:])[0, 1]
    assert change > 0.8, "an hour later it blows much the same"


def test_cars_charge_most_in_the_evening_and_never_more_than_there_are_plugs(year):
    hours, _ = series.local_hours(year.starts)
    for power, station in zip(year.charging, series.STATIONS, strict=True):
        assert np.all(power > 0)
        assert power.max() <= station.plugs * station.plug_power + 0.0005
        assert power[(hours > 18) & (hours < 21)].mean() > 4 * power[(hours > 2) & (hours < 5)].mean()


def test_prices_peak_in_the_evening_and_are_negative_when_sun_and_wind_abound(year):
    hours, _ = series.local_hours(year.starts[::4])
    assert (
        year.prices[(hours > 18) & (hours < 20)].mean() > year.prices[(hours > 2) & (hours < 5)].mean() + 20
    )
    negative = year.prices < 0
    assert 20 < negative.sum() < 800
    assert 40 < year.prices.mean() < 100
    sunshine = year.irradiance.reshape(-1, 4).mean(axis=1)
    assert sunshine[negative].mean() > 2 * sunshine.mean()


def test_forecasts_get_better_as_the_time_comes_near(year):
    noise = series.make_noise(np.random.default_rng(3), 3, YEAR, 24)
    errors = []
    for hours in (48, 24, 6, 1):
        expected = series.expect_weather(year.weather, hours, noise)
        wind = np.sqrt(np.mean((series.wind_power(expected) - year.wind) ** 2))
        solar = np.sqrt(np.mean((series.solar_power(expected, year.sky) - year.solar) ** 2))
        errors.append((wind, solar))
    assert errors == sorted(errors, reverse=True)
    assert errors[0][0] > 2 * errors[-1][0]
    assert errors[0][1] > 2 * errors[-1][1]


def test_messages_carry_no_gaps_no_negative_zeros_and_the_right_number_of_values():
    for stream in make_streams(SPRING + 10 * HOUR, days=10):
        assert stream.messages
        for message in stream.messages:
            for group in message.fields.get("groups", [message.fields]):
                values = group["values"]
                assert np.all(np.isfinite(values))
                assert not np.any(np.signbit(values) & (values == 0))


def test_prices_are_sent_day_by_day_on_local_clocks_also_when_these_change():
    after_change = to_instant(datetime(2025, 4, 2, 12, tzinfo=UTC))
    prices = next(s for s in make_streams(after_change, days=7) if s.title == "day-ahead prices")
    by_start = {message.fields["start"]: message for message in prices.messages}
    change = by_start["2025-03-30T00:00:00+01:00"]
    assert (change.size, change.fields["duration"]) == (23, "PT23H")
    assert change.fields["prior"] == "2025-03-29T12:45:00+01:00"
    assert by_start["2025-03-31T00:00:00+02:00"].size == 24


def test_nothing_is_sent_that_was_not_known_yet():
    now = SPRING + 10 * HOUR + 7
    for stream in make_streams(now, days=10):
        for message in stream.messages:
            prior = message.fields.get("prior")
            assert prior is None or to_instant(datetime.fromisoformat(prior)) <= now
            if message.endpoint == "postMeterData":
                start = to_instant(datetime.fromisoformat(message.fields["start"]))
                size = max(group["values"].size for group in message.fields.get("groups", [message.fields]))
                assert start + size * series.SLOT <= now


# --- the command -----------------------------------------------------------------------------------

DAYS = 30


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, str, int]]:
    """Settings of a demo world of a month, what was printed, and when it was made."""
    url = f"sqlite:///{tmp_path_factory.mktemp('demo')}/demo.db"
    now = time.time_ns() // 1000
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(PREFIX):
                patch.delenv(name)
        result = CliRunner().invoke(main, ["--database-url", url, "demo", "--days", str(DAYS)])
        assert result.exit_code == 0, result.output
        yield load_settings({"DATABASE_URL": url}), result.stdout, now


@pytest.fixture(scope="module")
def client(demo: tuple[Settings, str, int]) -> Iterator[TestClient[Any]]:
    with TestClient(create_app(demo[0])) as opened:
        yield opened


def get(client: TestClient[Any], email: str, path: str, **fields: str) -> dict[str, Any]:
    login = client.post("/api/requestAuthToken", json={"email": email, "password": PASSWORDS[email]})
    headers = {"Authorization": login.json()["auth_token"]}
    answer = client.get(path, params=fields, headers=headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def read(
    client: TestClient[Any], connection: str, start: int, duration: str, **fields: str
) -> list[float | None]:
    fields = {"connection": connection, "start": format_instant(start), "duration": duration} | fields
    name = "getPrognosis" if "horizon" in fields else "getMeterData"
    kind = f"G{name[1:]}Request"
    body = get(client, "meter@example.com", f"/api/v1_1/{name}", type=kind, unit="MW", **fields)
    values: list[float | None] = body["values"]
    return values


def test_the_demo_reaches_from_a_month_ago_to_about_now(demo, client):
    now = demo[2]
    body = get(client, "meter@example.com", "/api/gridlore/v1/sensors")
    assert len(body["sensors"]) == 8
    midnight = now // DAY * DAY
    for sensor in body["sensors"]:
        first = to_instant(datetime.fromisoformat(sensor["first_event"]))
        last = to_instant(datetime.fromisoformat(sensor["last_event"]))
        assert abs(first - (midnight - DAYS * DAY)) <= 3 * DAY
        assert last >= now - HOUR


def test_users_of_a_company_see_their_own_connections(client):
    sunny = get(client, "sunny@example.com", "/api/v1_1/getConnection")["names"]
    assert sunny == ["Charging station 2", "Charging station 1", "Solar roof"]
    assert get(client, "wind@example.com", "/api/v1_1/getConnection")["names"] == ["Wind farm"]


def test_the_demo_has_gaps(demo, client):
    start = demo[2] // DAY * DAY - DAYS * DAY
    values = read(client, "Charging station 1", start, f"P{DAYS}D")
    assert len(values) == DAYS * 96
    assert 96 <= values.count(None) < DAYS * 96 / 2


def test_the_demo_has_forecasts_at_several_horizons(demo, client):
    start = demo[2] // DAY * DAY - 9 * DAY
    answers = [read(client, "Solar roof", start, "P2D", horizon=f"PT{hours}H") for hours in (48, 24, 6, 1)]
    assert all(None not in values for values in answers)
    assert len({tuple(values) for values in answers}) == 4


def test_the_demo_has_a_correction_that_prior_looks_behind(demo, client):
    day = demo[2] // DAY * DAY - min(20, DAYS // 2) * DAY
    corrected = read(client, "Wind farm", day, "P1D")
    first = read(client, "Wind farm", day, "P1D", prior=format_instant(day + 2 * DAY))
    assert None not in first
    assert first != corrected
    assert first == pytest.approx([1.25 * value for value in corrected if value is not None], abs=2e-5)


def test_the_demo_can_be_made_once(demo):
    settings, _, _ = demo
    again = CliRunner().invoke(main, ["--database-url", settings.database_url, "demo"])
    assert again.exit_code == 1
    assert "is made in an empty database" in again.stderr
    assert "4 accounts and 8 sensors" in again.stderr
    assert "sqlite:///demo.db" in again.stderr


def test_if_empty_leaves_a_world_alone_and_tells_how_to_use_the_demo(demo):
    settings, _, _ = demo
    store = connect_store(settings)
    before = store.directory_version()
    result = CliRunner().invoke(main, ["--database-url", settings.database_url, "demo", "--if-empty"])
    assert result.exit_code == 0
    assert "Three commands to paste" in result.stdout
    assert store.directory_version() == before
    store.close()


def test_if_empty_tells_when_the_world_is_another(run, world):
    result = run("demo", "--if-empty")
    assert result.exit_code == 0
    assert "another world than the demo's" in result.stdout
    assert "Three commands" not in result.stdout


def test_log_ins_and_addresses_are_told(demo):
    _, told, _ = demo
    for email, password in PASSWORDS.items():
        assert re.search(rf"{email} +{password} ", told)
    assert "http://127.0.0.1:5000/docs" in told


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs curl and bash")
def test_the_three_commands_work_when_pasted(demo, folder: Path):
    settings, _, now = demo
    server = start_server(settings, folder / "log")
    try:
        guide = make_guide(server.url, now)
        commands = [part for part in guide.split("\n\n") if part.startswith(("TOKEN=", "curl"))]
        assert len(commands) == 3
        script = "\necho\n".join(commands)
        pasted = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60
        )
    finally:
        server.stop()
    posted, answered = pasted.stdout.strip().splitlines()
    assert '"stored":4' in posted
    assert f'"connection":"{CHARGERS[0]}"' in answered
    values = re.search(r'"values":\[(.*?)\]', answered)
    assert values
    assert [float(value) for value in values[1].split(",")[2:]] == QUARTERS
