"""What is asked of each route to see that no account is answered otherwise because of another.

``test_isolation`` asks it; a route of the application that is not here fails there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

START = "2020-05-01T00:00:00Z"
HOST = "ea1.2021-01.localhost"
VIC, VAL, VAULT, POLE, NOBODY, NOTHING = 6, 7, 5, 6, 999, 999
"""Ids of users and connections that only one of the applications knows, and of some that none does."""

CONNECTIONS = (
    "Pole 1",
    "Pole 2",
    "Vault 7",
    f"{HOST}:{VIC}:{VAULT}",
    f"{HOST}:1:{VAULT}",
    f"{HOST}:fm0.{VIC}:{VAULT}",
    f"{HOST}:fm1.{VAULT}",
    f"{HOST}:{VAULT}",
    f"{HOST}:{VIC}:{POLE}",
)
EVERYTHING = (
    *CONNECTIONS,
    "epex_da",
    f"{HOST}:nowhere",
    f"{HOST}:temperature:52:5",
    f"{HOST}:wind speed:1:1",
)

OWN = ("token", "key", "read-only key", "limited key", "session", "session and token")
OTHERS = ("token", "key", "session")
ASKERS = (
    ("asa", "nothing"),
    *(("asa", credential) for credential in OWN),
    *((user, credential) for user in ("ria", "moe", "pip") for credential in OTHERS),
    ("ria", "read-only key"),
    ("ria", "limited key"),
)
"""Who asks: an owner; whom asa's account lets read all, and post to one; who has neither roles nor grants."""
FEW = (("asa", "nothing"), ("asa", "session"), ("ria", "session"))
"""For requests that take long, because a password is checked."""
Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Probe:
    """One request; ``form`` is sent with the token that the session's own pages have."""

    method: str
    path: str
    query: Fields | None = None
    json: Any = None
    form: Fields | None = None
    file: bool = False
    askers: tuple[tuple[str, str], ...] = ASKERS


def reads(path: str, key: str, names: Sequence[str], **fields: str) -> list[Probe]:
    period = {"start": START, "duration": "PT1H", **fields}
    asked = [{key: name} for name in names] + [{key: ["Pole 1", name]} for name in names[2:4]]
    asked += [{key: "Pole 1", "source": "MDC"}, {key: "Vault 7", "resolution": "PT7M"}]
    return [Probe("GET", path, {**period, **one}) for one in asked]


def service(name: str) -> tuple[str, str]:
    return f"/api/v1_1/{name}", f"{name[0].upper()}{name[1:]}Request"


def read_service(name: str) -> list[Probe]:
    path, kind = service(name)
    return reads(path, "connection", CONNECTIONS, type=kind, unit="MW")


def post_service(name: str, key: str, names: Sequence[str], unit: str, **fields: Any) -> list[Probe]:
    path, kind = service(name)
    message = {"type": kind, "unit": unit, "start": START, "duration": "PT1H", "values": [1.5], **fields}
    sent: list[Fields] = [{key: name} for name in names]
    sent += [{key: ["Pole 1", name]} for name in names[2:4]]  # another resolution in one of them
    sent += [{key: name, "values": [-9]} for name in names[:4]]  # the wrong sign, and a replacement
    return [Probe("POST", path, json={**message, **one}) for one in sent]


def pages(*paths: str) -> list[Probe]:
    return [Probe("GET", path) for path in paths]


def forms(path: str, *fields: Fields) -> list[Probe]:
    return [Probe("POST", path, form=one) for one in fields or ({},)]


def of_sensors(path: str) -> tuple[str, ...]:
    return tuple(path.format(number) for number in (1, VAULT, POLE, NOTHING))


def build_probes(hidden_key: str) -> dict[tuple[str, str], list[Probe]]:
    """What is asked of each route; ``hidden_key`` begins a key of the hidden account."""
    guess = {"email": "vic@vaults.example", "password": "a guess"}
    password = {"password": "a password of asa's own", "again": "a password of asa's own"}
    sections = ("accounts", "users", "sensors", "changes", "vaults")
    records = [f"/administration/{section}/{number}" for section in sections for number in (1, VIC, NOBODY)]
    series = "?first=2020-05-01&last=2020-05-02"
    return {
        ("GET", "/api/v1_1/getService"): pages("/api/v1_1/getService"),
        ("GET", "/api/v1_1/getConnection"): pages("/api/v1_1/getConnection"),
        ("GET", "/api/v1_1/getMeterData"): read_service("getMeterData"),
        ("GET", "/api/v1_1/getPrognosis"): read_service("getPrognosis"),
        ("POST", "/api/v1_1/postMeterData"): post_service("postMeterData", "connection", CONNECTIONS, "MW"),
        ("POST", "/api/v1_1/postPrognosis"): post_service(
            "postPrognosis", "connection", CONNECTIONS, "MW", horizon="R/PT6H"
        ),
        ("POST", "/api/v1_1/postPriceData"): post_service(
            "postPriceData", "market", EVERYTHING, "EUR/MWh", horizon="PT24H"
        ),
        ("POST", "/api/v1_1/postWeatherData"): post_service(
            "postWeatherData", "sensor", EVERYTHING, "°C", horizon="PT24H"
        ),
        ("GET", "/api/gridlore/v1/sensors"): pages("/api/gridlore/v1/sensors"),
        ("GET", "/api/gridlore/v1/data"): reads("/api/gridlore/v1/data", "sensor", EVERYTHING)
        + reads("/api/gridlore/v1/data", "sensor", EVERYTHING, format="csv"),
        ("GET", "/api/gridlore/v1/beliefs"): reads("/api/gridlore/v1/beliefs", "sensor", EVERYTHING),
        ("GET", "/api"): pages("/api"),
        ("POST", "/api/requestAuthToken"): [
            Probe("POST", "/api/requestAuthToken", json={"email": email})
            for email in ("asa@poles.example", "vic@vaults.example", "nobody@vaults.example")
        ]
        + [Probe("POST", "/api/requestAuthToken", json=guess, askers=FEW)],
        ("GET", "/schema/openapi.json"): pages("/schema/openapi.json"),
        ("GET", "/"): pages("/", "/?q=Vault", "/?q=Pole", "/?state=late", "/?kind=connection&page=2"),
        ("GET", "/login"): pages("/login?next=/sensors/5"),
        ("POST", "/login"): [Probe("POST", "/login", form=guess, askers=FEW)],
        ("POST", "/logout"): forms("/logout"),
        ("GET", "/docs"): pages("/docs"),
        ("GET", "/profile"): pages("/profile"),
        ("POST", "/profile/token"): forms("/profile/token"),
        ("POST", "/profile/keys"): forms(
            "/profile/keys", *({"name": name, "sensors": name} for name in (*EVERYTHING, "Pole 1"))
        ),
        ("POST", "/profile/keys/{prefix}/revoke"): forms(f"/profile/keys/{hidden_key}/revoke")
        + forms("/profile/keys/5/revoke"),
        ("POST", "/profile/password"): forms("/profile/password", {"current": "a guess", **password}),
        ("GET", "/invitation/{token}"): pages("/invitation/guess"),
        ("POST", "/invitation/{token}"): forms("/invitation/guess", password),
        ("GET", "/administration"): pages("/administration"),
        ("GET", "/administration/changes"): pages("/administration/changes"),
        ("GET", "/administration/{section}"): pages(*(f"/administration/{one}" for one in sections)),
        ("GET", "/administration/{section}/new"): pages("/administration/users/new"),
        ("POST", "/administration/{section}/new"): forms(
            "/administration/users/new", {"account": "Sealed Vaults"}
        ),
        ("GET", "/administration/{section}/{record_id}"): pages(*records),
        ("POST", "/administration/{section}/{record_id}"): [one for path in records for one in forms(path)],
        ("POST", "/administration/invitations/{record_id}"): forms(f"/administration/invitations/{VIC}"),
        ("GET", "/sensors/{sensor_id}"): pages(*of_sensors("/sensors/{}")),
        ("GET", "/sensors/{sensor_id}/series.json"): pages(*of_sensors("/sensors/{}/series.json" + series)),
        ("GET", "/sensors/{sensor_id}/data.csv"): pages(*of_sensors("/sensors/{}/data.csv" + series)),
        ("GET", "/sensors/{sensor_id}/quality.json"): pages(*of_sensors("/sensors/{}/quality.json" + series)),
        ("GET", "/sensors/{sensor_id}/upload"): pages(*of_sensors("/sensors/{}/upload")),
        ("POST", "/sensors/{sensor_id}/upload"): [
            Probe("POST", path, form={}, file=True) for path in of_sensors("/sensors/{}/upload")
        ],
        ("GET", "/sensors/{sensor_id}/upload/check"): pages(*of_sensors("/sensors/{}/upload/check")),
        ("POST", "/sensors/{sensor_id}/upload/check"): [
            one
            for path in of_sensors("/sensors/{}/upload/check")
            for one in forms(path, {"file": "x", "signature": "y"})
        ],
        ("POST", "/administration/passwords/{record_id}"): forms(
            f"/administration/passwords/{VIC}", password
        ),
        ("GET", "/health/live"): pages("/health/live"),
        ("GET", "/health/ready"): pages("/health/ready"),
        ("GET", "/metrics"): pages("/metrics"),
        ("GET", "/plotly/plotly.min.js"): [],  # files of the program
        ("GET", "/static/{file_path}"): [],
        ("GET", "/docs/assets/{file_path}"): [],
    }
