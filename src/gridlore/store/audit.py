"""Write and read the record of who did what (ADR 016). No statement changes or removes an entry.

Layer: store.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import count

from sqlalchemy import Connection, and_, or_, select

from gridlore.domain.audit import COMINGS, AuditEntry, AuditFilter, Facts
from gridlore.store import schema

COLUMNS = tuple(field.name for field in fields(AuditEntry))

Execute = Callable[[str, tuple[object, ...]], int]
"""Runs a statement of the database's driver; how many rows it wrote."""

_SPREAD = 2048
_turns = count(secrets.randbelow(_SPREAD))


def _new_id(recorded_at: int) -> int:
    """An id in order of time that hardly anybody else gives: of two in one microsecond, each process gives
    its own of 2,048, and takes turns. It fits 63 bits until the year 2112."""
    return recorded_at * _SPREAD + next(_turns) % _SPREAD


def write_entry(execute: Execute, mark: str, entry: AuditEntry) -> AuditEntry:
    """Add an entry, in whatever transaction ``execute`` runs; the entry with its id.

    Parameters
    ----------
    mark : str
        What stands for a parameter in the driver's statements.
    """
    places = [mark] * len(COLUMNS)
    places[COLUMNS.index("actor")] = (
        f"coalesce(nullif({mark}, ''), (SELECT email FROM app_user WHERE id = {mark}), '')"
    )
    statement = (
        f"INSERT INTO audit_entry ({', '.join(COLUMNS)}) VALUES ({', '.join(places)}) ON CONFLICT DO NOTHING"
    )
    attempts = 0
    while True:
        recorded = replace(entry, id=_new_id(entry.recorded_at + attempts))
        if execute(statement, (*_to_row(recorded), recorded.user_id)):
            return recorded
        attempts += 1  # somebody else has this one: take one of the next microsecond


def _to_row(entry: AuditEntry) -> tuple[object, ...]:
    """The columns of an entry, in the order of COLUMNS, the last of which is the actor."""
    texts = {"before": _facts_to_text(entry.before), "after": _facts_to_text(entry.after)}
    return tuple(texts[name] if name in texts else getattr(entry, name) for name in COLUMNS)


def read_entries(
    connection: Connection, limit: int, before: int | None, only: AuditFilter
) -> list[AuditEntry]:
    """The newest entries that are asked for, newest first; ``before``: with lower ids only."""
    entry = schema.audit_entry.c
    query = select(*(entry[name] for name in COLUMNS)).order_by(entry.id.desc()).limit(limit)
    if before is not None:
        query = query.where(entry.id < before)
    if only.since is not None:
        query = query.where(entry.recorded_at >= only.since)
    if only.action is not None:
        query = query.where(entry.action == only.action)
    if not only.comings:
        query = query.where(entry.action.not_in(COMINGS))
    if only.email is not None:
        email = only.email.lower()
        user_id = select(schema.app_user.c.id).where(schema.app_user.c.email == email).scalar_subquery()
        query = query.where(
            or_(
                entry.actor == email,
                entry.title == f"user {email}",
                entry.user_id == user_id,
                and_(entry.subject == "user", entry.subject_id == user_id),
            )
        )
    rows = [row._mapping for row in connection.execute(query)]
    return [
        AuditEntry(
            **{**row, "before": _facts_from_text(row["before"]), "after": _facts_from_text(row["after"])}
        )
        for row in rows
    ]


def _facts_to_text(facts: Facts | None) -> str | None:
    return None if facts is None else json.dumps(dict(facts), ensure_ascii=False)


def _facts_from_text(text: object) -> Facts | None:
    return None if text is None else {str(name): str(fact) for name, fact in json.loads(str(text)).items()}
