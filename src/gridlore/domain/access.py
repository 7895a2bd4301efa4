"""Who may see and post to which sensor: the one place that decides it.

Layer: domain.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gridlore.domain.sensors import ROLES, Account, Sensor, SensorKind, User


class Purpose(StrEnum):
    """What somebody wants to do with a sensor."""

    READ = "read"
    POST = "post"


Access = frozenset[Purpose]
"""What somebody may do with a sensor."""

NO_ACCESS: Access = frozenset()

ACCESS_WORDS: Mapping[str, Access] = {
    "read": frozenset({Purpose.READ}),
    "post": frozenset({Purpose.POST}),
    "read+post": frozenset(Purpose),
}
"""How access is written in world files, commands and tables."""


def access_word(access: Access) -> str:
    """How it is written.

    >>> access_word(frozenset(Purpose)), access_word(frozenset({Purpose.POST}))
    ('read+post', 'post')
    """
    return "+".join(purpose for purpose in Purpose if purpose in access)


@dataclass(frozen=True, slots=True)
class Grant:
    """One account lets another use its connections: one of them, or (``sensor_id`` None) all, later ones too.

    Reading and posting are separate: who may post need not see what others said (ADR 011). ``revoked_at`` in
    µs since epoch; None: it holds. ``id`` is 0 until it is saved.
    """

    id: int
    from_account_id: int
    to_account_id: int
    access: Access
    sensor_id: int | None
    revoked_at: int | None = None


def may_use_services(user: User, account: Account) -> bool:
    """Whether a user of this account may use the API's services at all; an admin always may."""
    return user.is_admin or not account.roles.isdisjoint(ROLES)


def may_access(
    user: User, sensor: Sensor, owner: User | None, granted: Collection[Purpose], purpose: Purpose
) -> bool:
    """Whether ``user`` may use ``sensor`` for ``purpose``.

    Connections belong to the account of their owner, which may grant others access; markets and weather are
    everybody's; an admin sees everything.

    Parameters
    ----------
    owner : User or None
        The user ``sensor.owner_id`` points to; None for markets and weather.
    granted : collection of Purpose
        What grants let the user's account do with the sensor; found by the directory.
    """
    if user.is_admin or sensor.kind is not SensorKind.CONNECTION:
        return True
    if owner is None:
        return False
    return owner.account_id == user.account_id or purpose in granted
