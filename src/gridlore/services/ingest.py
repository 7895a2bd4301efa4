"""Take in posted values: from a command to blocks in the writer's queue.

Layer: services. The checks that need the directory, in the contract's order: addresses, access, unit,
resolution, grid, sign. What is news is decided by the writer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from gridlore.domain.access import Purpose
from gridlore.domain.beliefs import Block, make_blocks
from gridlore.domain.commands import MAX_SENSORS, PostCommand, Receipt, Target
from gridlore.domain.errors import (
    GridError,
    PowerTooBigError,
    PowerTooSmallError,
    ResolutionError,
    StoreUnavailableError,
    UnitError,
    ValuesLimitError,
)
from gridlore.domain.resampling import upsample
from gridlore.domain.sensors import Direction, Sensor, SensorKind, User
from gridlore.domain.timing import FloatArray, Grid, Timing, format_instant, format_span
from gridlore.services.callers import Caller
from gridlore.services.directory import Directory
from gridlore.store.interface import BlockWriter


class _Run(NamedTuple):
    """One group's values, shape (n,), for one of its sensors."""

    address: str
    sensor: Sensor
    values: FloatArray

    @property
    def label(self) -> str:
        """What to call the sensor: its name, and the address that the client used."""
        return self.address if self.address == self.sensor.name else f"{self.sensor.name} ({self.address})"


class _Post(NamedTuple):
    """One command, what it says about each of its sensors, and about which events."""

    command: PostCommand
    runs: Sequence[_Run]
    grid: Grid


class Ingest:
    """Stores posts.

    Parameters
    ----------
    max_values : int
        Values that one message may store, after upsampling.
    max_sensors : int
        Sensors that one message may name, counted once per group.
    """

    def __init__(self, writer: BlockWriter, *, max_values: int, max_sensors: int = MAX_SENSORS) -> None:
        self._writer = writer
        self._max_sensors = max_sensors
        self._max_values = max_values

    def post(
        self, caller: Caller, commands: Sequence[PostCommand], now: int, ask_again: Callable[[], Caller]
    ) -> Future[Receipt]:
        """Queue the values of one or more commands as one batch: all of them are stored, or none.

        Parameters
        ----------
        now : int
            Time of arrival. [µs since epoch]
        ask_again : function
            Who sends this, as things are when it is called, by the writer just before it stores; ``caller``
            itself while the directory is the same. What is queued must not outlive what was taken back.

        Returns
        -------
        Future
            Holds the receipt once all of it is durable; or what ``ask_again`` raised, or what the contract
            answers as things were then.

        Raises
        ------
        GridloreError
            What the contract answers; nothing is stored then.
        """
        posts = self._check(caller, commands)
        source_id = caller.directory.source_of(caller.user).id
        blocks: list[Block] = []
        targets: dict[int, Target] = {}
        for command, runs, grid in posts:
            timing = command.timing or Timing(belief_time=now, belief_horizon=0)
            for run in runs:
                values = upsample(run.values, grid.count // run.values.size)
                targets[run.sensor.id] = Target(run.label, command.unit)
                blocks += make_blocks(run.sensor.id, source_id, grid, values, timing, now)

        def check() -> None:
            again = ask_again()
            if again is not caller and _places(self._check(again, commands)) != _places(posts):
                raise StoreUnavailableError("What you post to has just been changed. Please send this again.")

        return self._writer.submit(blocks, targets, check)

    def _check(self, caller: Caller, commands: Sequence[PostCommand]) -> list[_Post]:
        """What commands say about which sensors, once all has been checked that needs the directory."""
        posts: list[_Post] = []
        total = 0
        for command in commands:
            runs = self._find_runs(caller.directory, caller.user, command)
            _check_units(runs, command.unit)
            grid = self._check_resolutions(runs, command)
            _check_grid(runs, command.start)
            _check_signs(runs)
            posts.append(_Post(command, runs, grid))
            total += len(runs) * grid.count
            if total > self._max_values:
                raise ValuesLimitError(
                    f"At most {self._max_values} values may be stored at once; these are more. "
                    "Send them in parts."
                )
        return posts

    def _find_runs(self, directory: Directory, user: User, command: PostCommand) -> list[_Run]:
        count = sum(len(group.addresses) for group in command.groups)
        if count > self._max_sensors:
            raise ValuesLimitError(
                f"A message may name at most {self._max_sensors} sensors; got {count}. Send it in parts."
            )
        named = [(address, group.values) for group in command.groups for address in group.addresses]
        sensors = directory.find_sensors(user, command.kind, [name for name, _ in named], Purpose.POST)
        return [
            _Run(address, sensor, values) for (address, values), sensor in zip(named, sensors, strict=True)
        ]

    def _check_resolutions(self, runs: Sequence[_Run], command: PostCommand) -> Grid:
        """The events that every run is about; its values are one for each of them, or for as many each."""
        first = runs[0]
        resolution = first.sensor.resolution
        for run in runs:
            if run.sensor.resolution != resolution:
                raise ResolutionError(
                    "Sensors of different resolutions cannot be posted to in one message: "
                    f"{first.address} takes {format_span(resolution)}, "
                    f"{run.address} takes {format_span(run.sensor.resolution)}."
                )
        span = command.end - command.start
        for run in runs:
            count = run.values.size
            if span % (count * resolution):
                raise ResolutionError(
                    "Only the following resolutions in the data are supported: "
                    f"{format_span(resolution)} (or a multiple of it). Got {count} values over "
                    f"{format_span(span)} for {run.address}."
                )
        total = len(runs) * (span // resolution)
        if total > self._max_values:
            raise ValuesLimitError(
                f"A message may store at most {self._max_values} values; this one would store {total} "
                f"(over {format_span(span)} at {format_span(resolution)}). Send it in parts."
            )
        return Grid(command.start, resolution, span // resolution)


def _places(posts: Sequence[_Post]) -> list[tuple[Grid, list[int]]]:
    """Where the values of each command go: the events, and the ids of the sensors."""
    return [(post.grid, [run.sensor.id for run in post.runs]) for post in posts]


def _check_units(runs: Sequence[_Run], unit: str) -> None:
    for run in runs:
        sensor = run.sensor
        if sensor.unit != unit:
            what = {
                SensorKind.CONNECTION: "power",
                SensorKind.MARKET: f"{sensor.name.replace('_', ' ')} prices",
                SensorKind.WEATHER: sensor.quantity,
            }[sensor.kind]
            raise UnitError(f"Data for {what} should be given in {sensor.unit}.")


def _check_grid(runs: Sequence[_Run], start: int) -> None:
    for run in runs:
        beside = (start - run.sensor.grid_offset) % run.sensor.resolution
        if beside:
            resolution = run.sensor.resolution
            nearest = start - beside if beside * 2 <= resolution else start - beside + resolution
            raise GridError(
                f"Events of {run.address} last {format_span(resolution)}, counted from midnight standard "
                f"time in {run.sensor.timezone}; {format_instant(start)} falls inside one. "
                f"The nearest right start is {format_instant(nearest)}."
            )


def _check_signs(runs: Sequence[_Run]) -> None:
    for run in runs:
        if run.sensor.direction is Direction.CONSUMER and (run.values < 0).any():
            raise PowerTooSmallError(
                f"{run.label} is registered as a consumer, so its values are zero or positive "
                f"(consumption); got {float(run.values.min())!r}."
            )
        if run.sensor.direction is Direction.PRODUCER and (run.values > 0).any():
            raise PowerTooBigError(
                f"{run.label} is registered as a producer, so its values are zero or negative "
                f"(production); got {float(run.values.max())!r}."
            )
