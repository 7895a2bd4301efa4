"""API keys: what lets a program in, in a user's name, for a long time.

Layer: domain. How a key is made and checked stands in ``services/keys.py``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of a user; its text is shown once and not kept.

    ``prefix`` is the part of the text by which the key is found and recognised, ``secret_hash`` the SHA-256
    of the whole text (ADR 010). ``sensor_ids`` None: the key opens every sensor that its user may access.
    ``created_at``, ``expires_at`` and ``revoked_at`` in µs since epoch; None: never. ``id`` is 0 until it is
    saved.
    """

    id: int
    user_id: int
    name: str
    prefix: str
    secret_hash: str
    read_only: bool
    sensor_ids: frozenset[int] | None
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None

    def is_expired(self, now: int) -> bool:
        """Whether its time is over. [µs since epoch]"""
        return self.expires_at is not None and now >= self.expires_at
