"""A small world, and applying it: shared by the tests of world files."""

from __future__ import annotations

from datetime import UTC, datetime

from gridlore.domain.timing import to_instant
from gridlore.services.world import WorldSummary, apply_world, parse_world
from gridlore.store.interface import Store
from gridlore.wire.iso8601 import parse_resolution

ENVIRON = {"ANN_PW": "ann's password", "EMPTY_PW": ""}

SMALL = """
[[account]]
name = "Charge Co"
roles = ["Prosumer", "ESCo"]
[[account]]
name = "Meter Co"
roles = ["MDC"]
[[user]]
email = "Ann@Example.com"
account = "Charge Co"
password_env = "ANN_PW"
roles = ["admin"]
[[user]]
email = "mia@example.com"
name = "Mia of Meter Co"
account = "Meter Co"
[[sensor]]
kind = "connection"
name = "CS 1"
owner = "ANN@example.com"
resolution = "PT15M"
unit = "MW"
direction = "consumer"
timezone = "Asia/Kolkata"
[[sensor]]
kind = "market"
name = "epex_da"
unit = "EUR/MWh"
resolution = "PT1H"
timezone = "Asia/Kolkata"
[[sensor]]
kind = "weather"
quantity = "temperature"
latitude = 33.480
longitude = -0.0
unit = "0C"
resolution = "PT15M"
[[sensor]]
kind = "weather"
name = "snow on the roof"
quantity = "snow depth"
latitude = 33
longitude = 126
unit = "cm"
resolution = "P1D"
"""


class Hashes:
    """Stands in for slow hashing, and counts."""

    def __init__(self) -> None:
        self.made = 0

    def hash_password(self, password: str) -> str:
        self.made += 1
        return f"#{self.made} {password}"

    def verify_password(self, password_hash: str, password: str) -> bool:
        return password_hash.partition(" ")[2] == password


def apply(store: Store, text: str, hashes: Hashes, *, year: int = 2024) -> WorldSummary:
    world = parse_world(text, file="w.toml", environ=ENVIRON, parse_resolution=parse_resolution)
    return apply_world(
        store,
        world,
        hash_password=hashes.hash_password,
        verify_password=hashes.verify_password,
        now=to_instant(datetime(year, 7, 1, tzinfo=UTC)),
    )
