"""The record: who did what, and when (ADR 016).

Layer: domain. Entries are only ever added. What is told of people and things is text, so that an entry says
the same when they have gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Facts = Mapping[str, str]
"""What is told of a record, by name, in words; never a password."""

LOG_IN = "log in"
FAIL_TO_LOG_IN = "fail to log in"
ISSUE_TOKEN = "issue token"  # noqa: S105 - an action, no password
LOG_OUT = "log out"
COMINGS = frozenset({LOG_IN, FAIL_TO_LOG_IN, ISSUE_TOKEN, LOG_OUT})
"""Actions that only say who came and went; everything else has changed something."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that somebody did.

    ``user_id`` did it at ``recorded_at`` [µs since epoch]; None: somebody on the command line, or nobody we
    know. ``actor`` is who that was, as text; empty: the e-mail of ``user_id``, filled in when it is recorded.
    ``subject`` says what sort of thing it was done to (account, user, sensor, world, database),
    ``subject_id`` which, if things of the sort have ids. ``before`` is None for what was not there. ``id`` is
    the order of recording, 0 until it is recorded.
    """

    recorded_at: int
    user_id: int | None
    action: str
    subject: str
    subject_id: int | None
    title: str
    before: Facts | None
    after: Facts | None
    id: int = 0
    actor: str = ""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are asked for.

    ``email``: done by this user, or to it. ``since``: recorded at or after [µs since epoch]. ``action``: of
    this kind. ``comings``: whether those that only say who came and went count too.
    """

    email: str | None = None
    since: int | None = None
    action: str | None = None
    comings: bool = True


EVERY_ENTRY = AuditFilter()
