"""API keys: made, checked, revoked (ADR 010).

Layer: services. ``now`` is an argument [µs since epoch]. A key's text leaves this module once, when it is
made.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gridlore.domain.audit import AuditEntry, Facts
from gridlore.domain.errors import AuthenticationError, UserError
from gridlore.domain.keys import ApiKey
from gridlore.domain.sensors import User
from gridlore.domain.timing import format_instant
from gridlore.services.actors import check_actor
from gridlore.services.directory import Directory
from gridlore.store.interface import DirectoryTransaction, Store

MARK = "glk_"
"""What every key begins with, and no token does."""

PREFIX_BYTES, SECRET_BYTES = 6, 32
PREFIX_END = len(MARK) + 2 * PREFIX_BYTES

MAX_KEYS = 100
"""Keys that one user may have at a time."""

MAX_SENSORS = 1_000
"""Sensors that one key may be limited to."""

MAX_NAME = 100
"""Longest name of a key. [characters]"""

NOBODYS_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What a key shall be like; ``sensors`` are addresses or names, none: every sensor of the user."""

    name: str
    read_only: bool = False
    sensors: Sequence[str] = ()
    expires_at: int | None = None


def new_secret() -> tuple[str, str, str]:
    """The text of a new key, the prefix by which it is found, and its hash."""
    prefix = MARK + secrets.token_hex(PREFIX_BYTES)
    text = f"{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return text, prefix, hash_key(text)


def hash_key(text: str) -> str:
    """SHA-256 in hex: fast, and enough for 256 random bits, which nobody can guess one after the other."""
    return hashlib.sha256(text.encode()).hexdigest()


def find_key(directory: Directory, text: str, now: int) -> ApiKey:
    """The key that this is the text of.

    Raises
    ------
    AuthenticationError
        There is none, it is revoked or expired, or its user deactivated.
    """
    key = directory.find_key(text[:PREFIX_END])
    is_right = hmac.compare_digest(hash_key(text), key.secret_hash if key else NOBODYS_HASH)
    if key is None or not is_right or key.is_expired(now) or not directory.users[key.user_id].active:
        raise AuthenticationError
    return key


class KeyRing:
    """Makes and revokes keys, and records it.

    Parameters
    ----------
    refresh : callable
        Has this process see the change at once.
    """

    def __init__(self, store: Store, refresh: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._refresh = refresh

    def create(
        self, directory: Directory, user: User, request: KeyRequest, now: int, actor: User | str
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which is nowhere else; ``actor`` as text: somebody on the command line.

        Raises
        ------
        UserError
            The user is deactivated or has too many keys, or the key cannot be so.
        AuthenticationError
            ``actor`` was deactivated, or the session has ended.
        GridloreError
            As ``Directory.find_sensors``: the user may not use a sensor.
        """
        name = _check_request(request, now)
        found = directory.find_sensors(user, None, request.sensors, None)
        text, prefix, secret_hash = new_secret()
        key = ApiKey(
            id=0,
            user_id=user.id,
            name=name,
            prefix=prefix,
            secret_hash=secret_hash,
            read_only=request.read_only,
            sensor_ids=frozenset(sensor.id for sensor in found) or None,
            created_at=now,
            expires_at=request.expires_at,
        )
        with self._store.change_directory() as transaction:
            records = transaction.records()
            check_actor(records, actor)
            others = [other for other in records.keys if other.user_id == user.id]
            if not any(known.id == user.id and known.active for known in records.users):
                raise UserError(f"{user.email} is deactivated, and can have no new keys.")
            if len(others) >= MAX_KEYS:
                raise UserError(f"{user.email} has {MAX_KEYS} keys, and may have no more. Revoke one first.")
            if any(other.name == name for other in others):
                raise UserError(f"{user.email} has a key with the name {name!r} already.")
            key = transaction.save_key(key)
            _record(transaction, "create key", key, user, now, actor)
        self._refresh()
        return key, text

    def revoke(self, key_id: int, now: int, actor: User | str) -> ApiKey:
        """End a key.

        Raises
        ------
        UserError
            There is no such key.
        AuthenticationError
            As ``create``.
        """
        with self._store.change_directory() as transaction:
            records = transaction.records()
            check_actor(records, actor)
            found = [key for key in records.keys if key.id == key_id]
            if not found:
                raise UserError(f"There is no key {key_id}, or it was revoked already.")
            user = next(user for user in records.users if user.id == found[0].user_id)
            _revoke(transaction, found[0], user, now, actor)
        self._refresh()
        return found[0]


def revoke_keys(transaction: DirectoryTransaction, user: User, now: int, actor: User | str) -> int:
    """End all keys of a user, in a transaction that is under way; how many those were."""
    found = [key for key in transaction.records().keys if key.user_id == user.id]
    for key in found:
        _revoke(transaction, key, user, now, actor)
    return len(found)


def _check_request(request: KeyRequest, now: int) -> str:
    """The key's name, once everything about it is as it should be."""
    name = " ".join(request.name.split())
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise UserError(f"A key needs a name of 1 to {MAX_NAME} characters, such as 'meter gateway'.")
    if request.expires_at is not None and request.expires_at <= now:
        raise UserError(f"The key would end in the past, at {format_instant(request.expires_at)}.")
    if len(request.sensors) > MAX_SENSORS:
        raise UserError(
            f"A key may be limited to at most {MAX_SENSORS} sensors; got {len(request.sensors)}. "
            "Make several keys."
        )
    return name


def _revoke(transaction: DirectoryTransaction, key: ApiKey, user: User, now: int, actor: User | str) -> None:
    transaction.save_key(replace(key, revoked_at=now))
    _record(transaction, "revoke key", key, user, now, actor)


def _record(
    transaction: DirectoryTransaction, action: str, key: ApiKey, user: User, now: int, actor: User | str
) -> None:
    transaction.record(
        AuditEntry(
            recorded_at=now,
            user_id=actor.id if isinstance(actor, User) else None,
            actor="" if isinstance(actor, User) else actor,
            action=action,
            subject="user",
            subject_id=user.id,
            title=f"user {user.email}",
            before=None,
            after=describe_key(key),
        )
    )


def describe_key(key: ApiKey) -> Facts:
    """What is told of a key, in words; never its text or hash."""
    limits = "all the user may use" if key.sensor_ids is None else ", ".join(map(str, sorted(key.sensor_ids)))
    return {
        "key": f"{key.id} ({key.name})",
        "begins with": key.prefix,
        "may": "read" if key.read_only else "read and post",
        "sensors": limits,
        "ends": "never" if key.expires_at is None else format_instant(key.expires_at),
    }
