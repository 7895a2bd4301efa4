"""Examine what is stored: late sensors, silent senders, gaps, and what else an operator should know.

Layer: services. Reads only, beside running servers; ``now`` is an argument.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gridlore.domain.errors import PeriodError
from gridlore.domain.findings import Finding
from gridlore.domain.heads import Head
from gridlore.domain.merging import compact_blocks
from gridlore.domain.overlay import EVERYTHING, overlay
from gridlore.domain.sensors import Sensor, SensorKind
from gridlore.domain.timing import DAY, LATEST, MINUTE, FloatArray, format_instant, format_span
from gridlore.services.directory import Directory
from gridlore.services.freshness import MEASURED, known_until, late_by
from gridlore.store.interface import BlockKey, BlockPage, Store, Window

MAX_EVENTS = 20_000
"""Gaps are looked for among the last so many events of a sensor at most."""

RECENT_BLOCKS = 256
"""Blocks of a sensor that are looked at, the newest."""

MANY_SMALL = 64
"""So many blocks less of them are worth compacting."""

CLOCK_TOLERANCE = MINUTE
SHOWN = 3
"""Gaps of a sensor that are told one by one."""


def examine_store(store: Store, directory: Directory, now: int, days: int) -> Iterator[Finding]:
    """What is wrong with directory and data; gaps are sought in the last ``days`` of each sensor."""
    for name, value in sorted(store.unsafe_settings().items()):
        yield Finding(
            "durability",
            f"PostgreSQL: {name}",
            f"it is {value}: what clients were told is stored can be lost when the machine stops",
            f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();",
        )
    yield from _examine_directory(directory)
    sensors = list(directory.sensors.values())
    heads = store.read_heads([sensor.id for sensor in sensors])
    yield from _examine_lateness(directory, heads, now)
    newest = max((entry.recorded_at for entry in store.read_audit(1)), default=0)
    compactible = []
    for sensor in sensors:
        head = heads.get(sensor.id)
        if head is None or head.events_start is None:
            yield Finding(
                "no data", tell(sensor), "nothing was ever posted", "look at who should post it", False
            )
            continue
        yield from _examine_gaps(store, directory, sensor, head, days)
        page = BlockPage(sensor.id, sensor.resolution, BlockKey(LATEST, 0), RECENT_BLOCKS)
        blocks = store.read_page(page)
        newest = max([newest, *(block.recorded_at for block in blocks)])
        if sum(len(fold.parts) - 1 for fold in compact_blocks(blocks)) >= MANY_SMALL:
            compactible.append(sensor)
    if newest > now + CLOCK_TOLERANCE:
        what = (
            f"it says {format_instant(now)}, and something was recorded at {format_instant(newest)} already"
        )
        yield Finding("clock", "this machine", what, "set the clock, and keep it right (NTP)")
    if compactible:
        names = ", ".join(map(tell, compactible[:SHOWN])) + (" and others" if compactible[SHOWN:] else "")
        yield Finding("blocks", names, "many small blocks make reading slower", "gridlore db compact", False)


def tell(sensor: Sensor) -> str:
    """How a finding names a sensor."""
    return f"{sensor.kind} {sensor.name} ({sensor.id})"


def _examine_directory(directory: Directory) -> Iterator[Finding]:
    for account in directory.accounts.values():
        if not account.roles:
            mend = "give it roles in the world file, or under Administration"
            yield Finding(
                "accounts", f"account {account.name}", "it has no role, and may use no service", mend, False
            )
    for user in directory.users.values():
        if user.active and user.password_hash is None:
            mend = f"gridlore user set-password {user.email}, or deactivate"
            yield Finding("users", f"user {user.email}", "no password: nobody can log in as it", mend, False)


def _examine_lateness(directory: Directory, heads: Mapping[int, Head], now: int) -> Iterator[Finding]:
    """Late sensors; one finding for a sender all of whose sensors are late."""
    sent: defaultdict[int, list[Sensor]] = defaultdict(list)
    late: dict[int, int] = {}
    for sensor in directory.sensors.values():
        head = heads.get(sensor.id, Head(sensor.id))
        latest = head.latest if sensor.kind is SensorKind.MARKET else head.measured
        if latest is None:
            continue
        sent[latest.source_id].append(sensor)
        by = late_by(sensor, head, now)
        if by is not None:
            late[sensor.id] = by
    for source_id, sensors in sorted(sent.items()):
        name = _sender(directory, source_id)
        if len(sensors) > 1 and all(sensor.id in late for sensor in sensors):
            by = min(late[sensor.id] for sensor in sensors)
            what = f"nothing came for {_told_span(by)}: all {len(sensors)} sensors it sends are late"
            yield Finding("silent", f"sender {name}", what, "ask who runs it; look for refusals in the log")
            continue
        for sensor in sensors:
            if sensor.id in late:
                what = f"its newest value ended {_told_span(late[sensor.id])} ago; events take "
                what += format_span(sensor.resolution)
                yield Finding("late", tell(sensor), what, f"ask {name}, who sent the last value")


def _sender(directory: Directory, source_id: int) -> str:
    """Who posts as this source, which may be newer than the directory."""
    source = directory.sources.get(source_id)
    if source is None:
        return f"of source {source_id}"
    user = None if source.user_id is None else directory.users.get(source.user_id)
    return source.name if user is None else user.email


def _told_span(span: int) -> str:
    """A span to the minute."""
    return format_span(max(span // MINUTE, 1) * MINUTE)


def _examine_gaps(
    store: Store, directory: Directory, sensor: Sensor, head: Head, days: int
) -> Iterator[Finding]:
    end = known_until(sensor, head)
    if end is None or head.events_start is None:
        return
    start = max(end - days * DAY, end - MAX_EVENTS * sensor.resolution, head.events_start)
    if start >= end:
        return
    grid = sensor.grid(start, end)
    try:
        (blocks,) = store.read_blocks(
            [Window(sensor.id, grid.start, grid.end, sensor.resolution, joined=True)]
        )
    except PeriodError as error:
        mend = "look at fewer days (--days 1), and at who posts so much (gridlore data delete --dry-run)"
        yield Finding("gaps", tell(sensor), error.message, mend)
        return
    only = EVERYTHING if sensor.kind is SensorKind.MARKET else MEASURED
    gaps = _find_gaps(overlay(blocks, grid, only, sources=directory.sources).values)
    if gaps:
        periods = [
            (grid.start + first * grid.resolution, (last - first) * grid.resolution)
            for first, last in gaps[-SHOWN:]
        ]
        told = ", ".join(f"{format_instant(start)}/{format_span(span)}" for start, span in periods)
        missing = sum(last - first for first, last in gaps)
        what = f"{missing} of {grid.count} values are missing, in {len(gaps)} gaps; the last: {told}"
        yield Finding("gaps", tell(sensor), what, "have the sender post them again; late values are welcome")


def _find_gaps(values: FloatArray) -> Sequence[tuple[int, int]]:
    """First and last (exclusive) index of each run of NaN."""
    edges = np.diff(np.concatenate(([False], np.isnan(values), [False])).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))
