"""Instants and durations given on the command line, in ISO 8601.

Layer: cli.
"""

from __future__ import annotations

import time
from typing import Any

import click

from gridlore.domain.errors import GridloreError, PeriodError
from gridlore.domain.timing import to_datetime, to_instant
from gridlore.wire.iso8601 import Duration, parse_duration, parse_instant


class InstantType(click.ParamType[int]):
    """An instant [µs since epoch], as a timestamp."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The instant a text stands for."""
        try:
            return parse_instant(value, what="time")[0]
        except GridloreError as error:
            self.fail(error.message, param, ctx)


class SpanType(click.ParamType[Duration]):
    """A positive duration, also in months and years."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Duration:
        """The duration a text stands for."""
        try:
            span = parse_duration(value, PeriodError, what="span")
        except GridloreError as error:
            self.fail(error.message, param, ctx)
        if not span.is_positive:
            self.fail(f"A span is positive, such as P7D or P5Y; got {value!r}.", param, ctx)
        return span


class SinceType(click.ParamType[int]):
    """An instant [µs since epoch], as a timestamp or as a span that ends now."""

    name = "time or span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The instant a text stands for."""
        if str(value).startswith("P"):
            return ago(SpanType().convert(value, param, ctx), now())
        return InstantType().convert(value, param, ctx)


def now() -> int:
    """[µs since epoch]"""
    return time.time_ns() // 1000


def ago(span: Duration, instant: int) -> int:
    """The instant a span before another, by the calendar of UTC. [µs since epoch]"""
    return to_instant((-span).add_to(to_datetime(instant), what="beginning of the span"))
