"""The record of changes: who changed what of the directory, and when.

Layer: domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Facts = Mapping[str, str]
"""What is told of a record, by name, in words; never a password."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change of the directory.

    ``user_id`` made it at ``recorded_at`` [µs since epoch]; None: somebody on the command line. ``subject``
    says what sort of thing was changed (account, user, sensor), ``subject_id`` which. ``before`` is None for
    what was not there. ``id`` is the order of recording, 0 until it is recorded.
    """

    recorded_at: int
    user_id: int | None
    action: str
    subject: str
    subject_id: int
    title: str
    before: Facts | None
    after: Facts | None
    id: int = 0
