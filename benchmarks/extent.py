"""How much work each row does, and how often.

FULL stays below 10 minutes on two cores, QUICK below 2; SMALLEST is for the test that the suite runs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extent:
    """Amounts for one round of each row.

    ``rounds``: how often measured and baseline take turns. ``connections``: in the world. Posts and reads
    are per round. ``history_connections`` × ``history_days``: days in the large database, each a block.
    ``fed_days``: of 5-minute values that come one by one.
    """

    name: str
    rounds: int
    connections: int
    single_posts: int
    day_posts: int
    year_posts: int
    copied_years: int
    reads: int
    dashboard: int
    big_messages: int
    listings: int
    history_connections: int
    history_days: int
    fed_days: int
    fsync_seconds: float


FULL = Extent(
    name="full",
    rounds=5,
    connections=1000,
    single_posts=3000,
    day_posts=2000,
    year_posts=160,
    copied_years=20,
    reads=40,
    dashboard=100,
    big_messages=4,
    listings=20,
    history_connections=250,
    history_days=4010,
    fed_days=365,
    fsync_seconds=1.0,
)
QUICK = Extent(
    name="quick",
    rounds=3,
    connections=1000,
    single_posts=320,
    day_posts=240,
    year_posts=32,
    copied_years=4,
    reads=12,
    dashboard=100,
    big_messages=2,
    listings=5,
    history_connections=20,
    history_days=600,
    fed_days=10,
    fsync_seconds=0.5,
)
SMALLEST = Extent(
    name="smallest",
    rounds=1,
    connections=12,
    single_posts=24,
    day_posts=8,
    year_posts=2,
    copied_years=1,
    reads=2,
    dashboard=12,
    big_messages=1,
    listings=1,
    history_connections=3,
    history_days=406,
    fed_days=2,
    fsync_seconds=0.02,
)
