"""Take in posted values: from a command to blocks in the writer's queue.

Layer: services. The checks that need the directory, in the contract's order: addresses, access, unit,
resolution, grid, sign. What is news is decided by the writer.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    UnitError,
    ValuesLimitError,
)
from gridlore.domain.resampling import upsample
from gridlore.domain.sensors import Direction, Sensor, SensorKind, User
from gridlore.domain.timing import FloatArray, Grid, Timing, format_instant, format_span
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

    def post(self, directory: Directory, user: User, command: PostCommand, now: int) -> Future[Receipt]:
        """Queue a message's values; the future holds the receipt once all of them are durable.

        Parameters
        ----------
        now : int
            Time of arrival. [µs since epoch]

        Raises
        ------
        GridloreError
            What the contract answers; nothing is stored then.
        """
        targets: dict[int, Target] = {}
        return self._writer.submit(self._make_blocks(directory, user, command, now, targets), targets)

    def post_all(
        self, directory: Directory, user: User, commands: Sequence[PostCommand], now: int
    ) -> Future[Receipt]:
        """Queue the values of several commands as one batch: all of them are stored, or none.

        Raises
        ------
        GridloreError
            As ``post`` does; the limit of values holds for all commands together.
        """
        blocks: list[Block] = []
        targets: dict[int, Target] = {}
        total = 0
        for command in commands:
            made = self._make_blocks(directory, user, command, now, targets)
            total += sum(block.values.size for block in made)
            if total > self._max_values:
                raise ValuesLimitError(
                    f"At most {self._max_values} values may be stored at once; these are more. "
                    "Send them in parts."
                )
            blocks += made
        return self._writer.submit(blocks, targets)

    def _make_blocks(
        self, directory: Directory, user: User, command: PostCommand, now: int, targets: dict[int, Target]
    ) -> list[Block]:
        """A command's values as blocks, once everything has been checked that needs the directory.

        ``targets`` learns how the client knows each sensor.
        """
        runs = self._find_runs(directory, user, command)
        _check_units(runs, command.unit)
        grid = self._check_resolutions(runs, command)
        _check_grid(runs, command.start)
        _check_signs(runs)
        timing = command.timing or Timing(belief_time=now, belief_horizon=0)
        source_id = directory.source_of(user).id
        blocks: list[Block] = []
        for run in runs:
            values = upsample(run.values, grid.count // run.values.size)
            targets[run.sensor.id] = Target(run.label, command.unit)
            blocks += make_blocks(run.sensor.id, source_id, grid, values, timing, now)
        return blocks

    def _find_runs(self, directory: Directory, user: User, command: PostCommand) -> list[_Run]:
        named = [(address, group.values) for group in command.groups for address in group.addresses]
        if len(named) > self._max_sensors:
            raise ValuesLimitError(
                f"A message may name at most {self._max_sensors} sensors; got {len(named)}. Send it in parts."
            )
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
