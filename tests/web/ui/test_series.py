"""The data behind a sensor's page: the same values as the API's, to the same people."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gridlore.domain.timing import format_instant, format_span
from tests.conftest import WorldClient

WORLD = Path(__file__).with_name("two_houses.toml")
ROOF, OTHERS, MARKET = 1, 2, 3
START = "2024-03-30T00:00:00Z"
HOURS = 72


@pytest.fixture
def client(world_client: Callable[..., WorldClient]) -> WorldClient:
    """Ann is logged in; her roof was measured with a gap, and forecast twice."""
    opened = world_client(WORLD)
    roof = {"connection": "Roof", "unit": "MW"}
    for start, hours, first in ((START, 24, 0), ("2024-04-01T00:00:00Z", 24, 48)):
        values = [-(first + hour) / 8 for hour in range(hours)]
        assert opened.post(
            "ann", "postMeterData", **roof, values=values, start=start, duration=f"PT{hours}H"
        ).is_success
    for horizon, shift in (("R/PT24H", 1.0), ("R/PT2H", 0.25)):
        values = [-hour / 8 - shift for hour in range(HOURS)]
        about = {"values": values, "start": START, "duration": f"PT{HOURS}H", "horizon": horizon}
        assert opened.post("ann", "postPrognosis", **roof, **about).is_success
    assert opened.post(
        "ben", "postPrognosis", connection="Roof", unit="MW", values=[-3.0], start=START, duration="P3D",
        horizon="P4D",
    ).is_success  # fmt: skip
    log_in(opened, "ann")
    return opened


def log_in(client: WorldClient, name: str) -> None:
    client.http.cookies.clear()
    form = {"email": f"{name}@house.example", "password": f"{name}'s password"}
    assert client.http.post("/login", data=form, follow_redirects=False).status_code == 303


def ask(
    client: WorldClient, path: str = "series.json", *, sensor: int = ROOF, **fields: Any
) -> httpx.Response:
    return client.http.get(f"/sensors/{sensor}/{path}", params=fields, follow_redirects=False)


def series(client: WorldClient, **fields: Any) -> dict[tuple[str, str], list[float | None]]:
    """Values by kind and source, of the one frame asked for."""
    answer = ask(client, **{"start": START, "end": "2024-04-02T00:00:00Z", **fields})
    assert answer.status_code == 200, answer.text
    (frame,) = answer.json()["frames"]
    return {(each["kind"], each["source"]["name"]): each["values"] for each in frame["series"]}


def drawn_period(grid: dict[str, int]) -> dict[str, str]:
    """The fields of an API call for just what is drawn, as the page writes them."""
    end = grid["start"] + grid["count"] * grid["resolution"]
    return {
        "start": format_instant(grid["start"] * 1000),
        "end": format_instant(end * 1000),
        "resolution": format_span(grid["resolution"] * 1000),
    }


@pytest.mark.parametrize(
    "prior", [None, "2024-03-30T00:00:00Z", "2024-03-31T07:20:00Z", "2024-04-05T00:00:00Z"]
)
@pytest.mark.parametrize("horizon", [None, "PT12H"])
@pytest.mark.parametrize("points", [1000, 60])
def test_every_series_has_the_values_that_the_api_call_gives(
    client: WorldClient, prior: str | None, horizon: str | None, points: int
) -> None:
    asked = {"start": START, "end": "2024-04-02T00:00:00Z", "points": points}
    asked |= {key: text for key, text in (("prior", prior), ("horizon", horizon)) if text}
    answer = ask(client, **asked).json()
    (frame,) = answer["frames"]
    compared = 0
    for kind in ("measured", "forecast"):
        for user in (1, 2):
            query = {"sensor": "Roof", "kind": kind, "source": user, **drawn_period(answer["grid"])}
            query |= {"prior": prior} if prior else {}
            query |= {"horizon": horizon} if horizon and kind == "forecast" else {}
            expected = client.request("ann", "GET", "/api/gridlore/v1/data", query=query).json()["values"]
            drawn = [
                each["values"]
                for each in frame["series"]
                if (each["kind"], each["source"]["user"]) == (kind, user)
            ]
            assert drawn == ([expected] if expected else [])
            compared += len(drawn)
    assert compared >= (2 if prior != "2024-03-30T00:00:00Z" else 1)


def test_measurements_and_the_forecasts_of_each_source_stay_apart_and_gaps_are_gaps(
    client: WorldClient,
) -> None:
    found = series(client)
    assert set(found) == {("measured", "ann"), ("forecast", "ann"), ("forecast", "ben")}
    assert found["measured", "ann"][24 * 4 : 48 * 4] == [None] * 96
    assert found["forecast", "ann"][4] == -0.125 - 0.25, "the newest forecast"
    assert series(client, horizon="PT3H")["forecast", "ann"][4] == -0.125 - 1.0


def test_several_priors_are_answered_in_order_as_if_asked_one_by_one(client: WorldClient) -> None:
    priors = ["2024-03-31T12:00:00Z", "2024-03-29T12:00:00Z", "2024-04-02T12:00:00Z"]
    period = {"start": START, "end": "2024-04-02T00:00:00Z"}
    together = ask(client, **period, prior=priors).json()["frames"]
    assert together == [ask(client, **period, prior=prior).json()["frames"][0] for prior in priors]
    assert [len(frame["series"]) for frame in together] == [3, 2, 3]


def test_calendar_days_are_as_long_as_the_clocks_make_them(client: WorldClient) -> None:
    def hours(day: str, zone: str) -> float:
        answer = ask(client, first=day, last=day, timezone=zone).json()
        assert (answer["first"], answer["last"]) == (day, day)
        return float(answer["end"] - answer["start"]) / 3_600_000

    assert [hours("2024-03-31", zone) for zone in ("Europe/Amsterdam", "UTC", "Asia/Kolkata")] == [23, 24, 24]
    assert [hours("2024-10-27", zone) for zone in ("Europe/Amsterdam", "America/New_York")] == [25, 24]


def test_a_long_period_is_drawn_at_a_resolution_that_divides_a_day(client: WorldClient) -> None:
    answer = ask(client, start="2024-01-01T00:00:00Z", end="2025-01-01T00:00:00Z").json()
    assert answer["grid"]["resolution"] == 24 * 3_600_000
    assert answer["grid"]["count"] <= 1500
    offset = answer["grid"]["start"] % answer["grid"]["resolution"]
    assert offset == 23 * 3_600_000, "counted from midnight in Amsterdam, standard time"


def test_without_a_period_all_that_is_known_is_shown(client: WorldClient) -> None:
    answer = ask(client).json()
    assert (answer["end"] - answer["start"]) / 3_600_000 == HOURS
    assert answer["known"]["first"] < answer["start"] < answer["known"]["last"]


def test_nothing_known_is_an_answer_too(client: WorldClient) -> None:
    answer = ask(client, sensor=MARKET)
    assert (answer.status_code, answer.json()["frames"], answer.json()["known"]) == (
        200,
        [{"prior": None, "series": []}],
        None,
    )


def test_the_table_holds_what_is_shown(client: WorldClient) -> None:
    answer = ask(
        client, "data.csv", start=START, end="2024-04-02T00:00:00Z", points=80, timezone="Europe/Amsterdam"
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="sensor-1-from-2024-03-30.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(rows[0]) == ["kind", "event_start", "value", "belief_time", "source"]
    drawn = series(client, points=80)
    for (kind, name), values in drawn.items():
        table = [float(row["value"]) for row in rows if (row["kind"], row["source"]) == (kind, name)]
        assert table == [value for value in values if value is not None]
    starts = [row["event_start"] for row in rows if row["kind"] == "measured"]
    assert starts[0] == "2024-03-30T01:00:00+01:00"
    assert starts[-1].endswith("+02:00")


def test_the_quality_of_forecasts_is_told_by_source_and_horizon(client: WorldClient) -> None:
    quality = ask(client, "quality.json", start=START, end="2024-04-02T00:00:00Z").json()
    assert (quality["slots"], quality["measured"], quality["unit"]) == (288, 192, "MW")
    hours = [horizon / 3_600_000 for horizon in quality["horizons"]]
    ann, ben = quality["sources"]
    assert (ann["name"], ben["name"]) == ("ann", "ben")
    by_hours = dict(zip(hours, ann["errors"], strict=True))
    assert by_hours[1] == {"count": 192, "mae": 0.25, "rmse": 0.25, "bias": -0.25}
    assert by_hours[6]["mae"] == by_hours[24]["mae"] == 1.0
    assert by_hours[48] == {"count": 0, "mae": None, "rmse": None, "bias": None}
    assert by_hours[168]["count"] == 0


@pytest.mark.parametrize("path", ["series.json", "data.csv", "quality.json"])
def test_what_a_user_may_not_see_does_not_exist(client: WorldClient, path: str) -> None:
    hidden, missing = ask(client, path, sensor=OTHERS), ask(client, path, sensor=99)
    assert (hidden.status_code, hidden.json()) == (404, missing.json())
    log_in(client, "zoe")
    assert ask(client, path, sensor=OTHERS).status_code == 200
    assert ask(client, path, sensor=ROOF).status_code == 404
    client.http.cookies.clear()
    assert ask(client, path).status_code == 401
    token = {"Authorization": client.token("ann")}
    assert client.http.get(f"/sensors/1/{path}", headers=token).status_code == 401, "pages take the cookie"


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"first": "2024-02-30", "last": "2024-03-01"}, "date"),
        ({"first": "2024-03-02", "last": "2024-03-01"}, "before"),
        ({"first": "2024-03-02"}, "last"),
        ({"first": "1800-01-01", "last": "1800-01-01"}, "1900"),
        ({"start": "yesterday", "end": START}, "start"),
        ({"start": START, "end": START}, "later"),
        ({"start": "2024-03-30T00:00:00", "end": START}, "timezone"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"points": "0"}, "points"),
        ({"points": "00000000000000000001"}, "points"),
        ({"points": "many"}, "points"),
        ({"prior": "then"}, "prior"),
        ({"prior": [START, "2024"]}, "prior"),
        ({"prior": [START] * 65}, "64"),
        ({"horizon": "6 hours"}, "horizon"),
        ({"horizon": "P1M"}, "months"),
        ({"start": "1900-01-02T00:00:00Z", "end": "2199-01-01T00:00:00Z"}, "slots"),
    ],
    ids=lambda part: str(part)[:40],
)
def test_what_cannot_be_read_is_explained(client: WorldClient, fields: dict[str, Any], word: str) -> None:
    answer = ask(client, **fields)
    assert answer.status_code == 400
    assert word in answer.json()["message"]


def test_a_table_shows_one_prior(client: WorldClient) -> None:
    assert ask(client, "data.csv", prior=[START, START]).status_code == 400
