"""Three weeks of data for the browser tests, the same on every run, posted through the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import numpy as np

END = datetime(2025, 4, 6, 22, tzinfo=UTC)
"""Midnight in Amsterdam; clocks went forward a week before."""
START = END - timedelta(days=21)

GAP = (START + timedelta(days=10, hours=6), START + timedelta(days=10, hours=15))
"""When nothing was measured of the cold store."""
CORRECTED = (START + timedelta(days=15), START + timedelta(days=15, hours=4))
"""When the cold store was measured wrongly at first; known rightly two days later."""
CORRECTION = -0.25
HORIZONS = {"PT24H": 0.12, "PT6H": 0.06, "PT1H": 0.02}
"""How long ahead the cold store was forecast, and about how wrong. [MW]"""


def cold_store(minutes: np.ndarray) -> np.ndarray:
    """Measured consumption at these minutes since ``START``. [MW]"""
    hours = minutes / 60
    return np.round(0.8 + 0.3 * np.sin(2 * np.pi * (hours - 9) / 24) + 0.1 * np.sin(hours / 7), 4)


def roof(minutes: np.ndarray) -> np.ndarray:
    """Production, negative. [MW]"""
    return np.round(-np.maximum(0, np.sin(2 * np.pi * (minutes / 60 - 6) / 24)) * 0.4, 4)


def minutes_between(start: datetime, end: datetime, step: int) -> np.ndarray:
    """Starts of events of ``step`` minutes from ``start`` up to ``end``, in minutes since ``START``."""
    first, last = ((moment - START) // timedelta(minutes=1) for moment in (start, end))
    return np.arange(first, last, step)


class Poster:
    """Posts to the API of a running server as one user."""

    def __init__(self, url: str, email: str, password: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)
        answer = self.http.post("/api/requestAuthToken", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        self.http.headers["Authorization"] = answer.json()["auth_token"]

    def post(self, service: str, start: datetime, end: datetime, values: np.ndarray, **fields: str) -> None:
        """One message with these values from ``start`` to ``end``."""
        message = {
            "type": f"{service[0].upper()}{service[1:]}Request",
            "start": start.isoformat(),
            "duration": f"PT{(end - start) // timedelta(minutes=1)}M",
            "values": [float(value) for value in values],
            **fields,
        }
        answer = self.http.post(f"/api/v1_1/{service}", json=message)
        assert answer.status_code == 200, answer.text


def fill(url: str, passwords: dict[str, str]) -> None:
    """Post everything."""
    hanna = Poster(url, "hanna@harbour.example", passwords["hanna@harbour.example"])
    service = Poster(url, "forecasts@harbour.example", passwords["forecasts@harbour.example"])
    farid = Poster(url, "farid@farm.example", passwords["farid@farm.example"])
    fill_cold_store(hanna, service)
    fill_others(hanna, farid)
    fill_places(hanna, service)
    for poster in (hanna, service, farid):
        poster.http.close()


def fill_cold_store(hanna: Poster, service: Poster) -> None:
    """Measurements with a gap and a correction; forecasts at several horizons, two days beyond the end."""
    about = {"connection": "Cold store", "unit": "MW"}
    for start, end in ((START, GAP[0]), (GAP[1], END)):
        values = cold_store(minutes_between(start, end, 15))
        wrong = (minutes_between(start, end, 15) >= (CORRECTED[0] - START) // timedelta(minutes=1)) & (
            minutes_between(start, end, 15) < (CORRECTED[1] - START) // timedelta(minutes=1)
        )
        hanna.post("postMeterData", start, end, np.where(wrong, values - CORRECTION, values), **about)
    right = cold_store(minutes_between(*CORRECTED, 15))
    hanna.post("postMeterData", *CORRECTED, right, horizon="-P2D", **about)
    end = END + timedelta(days=2)
    minutes = minutes_between(START, end, 15)
    for number, (horizon, error) in enumerate(HORIZONS.items(), 2):
        forecast = np.round(cold_store(minutes) + error * np.sin(minutes / (37 * number)), 4)
        service.post("postPrognosis", START, end, forecast, horizon=f"R/{horizon}", **about)


def fill_others(hanna: Poster, farid: Poster) -> None:
    """The other connections."""
    quarter_hours = minutes_between(START, END, 15)
    hanna.post("postMeterData", START, END, roof(quarter_hours), connection="Roof", unit="MW")
    day = END - timedelta(days=2)
    five = minutes_between(day, END, 5)
    hanna.post(
        "postMeterData", day, END, np.round(np.sin(five / 90), 4), connection="Harbour battery", unit="MW"
    )
    hours = minutes_between(START, END, 60)
    plaza = np.round(0.2 + 0.2 * np.sin(hours / 300), 4)
    name = (
        "Charging plaza at the north quay, second row, beside the harbourmaster's office "
        "(temporary meter, until the rebuilding is finished)"
    )
    hanna.post("postMeterData", START, END, plaza, connection=name, unit="MW")
    turbine = np.round(-1.5 - np.sin(quarter_hours / 500), 4)
    farid.post("postMeterData", START, END, turbine, connection="Wind turbine on the hill", unit="MW")


def fill_places(hanna: Poster, service: Poster) -> None:
    """Prices, known the day before, and weather, forecast and observed."""
    authority = "ea1.2021-01.localhost"
    for day in range(22):
        start = START + timedelta(days=day)
        hours = minutes_between(start, start + timedelta(days=1), 60)
        prices = np.round(60 + 25 * np.sin(2 * np.pi * (hours / 60 - 3) / 12) + 3 * np.sin(hours), 2)
        hanna.post(
            "postPriceData",
            start,
            start + timedelta(days=1),
            prices,
            market=f"{authority}:day_ahead",
            unit="EUR/MWh",
            horizon="PT35H",
        )
    quarter_hours = minutes_between(START, END, 15)
    warmth = np.round(9 + 5 * np.sin(2 * np.pi * (quarter_hours / 60 - 9) / 24), 2)
    place = {"sensor": f"{authority}:temperature:52.1:5.18", "unit": "°C"}
    hanna.post("postWeatherData", START, END, warmth, horizon="R/PT0S", **place)
    service.post(
        "postWeatherData",
        START,
        END,
        np.round(warmth + np.sin(quarter_hours / 200), 2),
        horizon="R/PT12H",
        **place,
    )
    wind = np.round(6 + 4 * np.sin(quarter_hours / 700), 2)
    place = {"sensor": f"{authority}:wind speed:52.1:5.18", "unit": "m/s"}
    hanna.post("postWeatherData", START, END, wind, horizon="R/PT0S", **place)
