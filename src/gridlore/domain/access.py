"""Who may see and post to which sensor: the one place that decides it.

Layer: domain. Sharing between accounts will be decided here too.
"""

from __future__ import annotations

from gridlore.domain.sensors import ROLES, Account, Sensor, SensorKind, User


def may_use_services(user: User, account: Account) -> bool:
    """Whether a user of this account may use the API's services at all; an admin always may."""
    return user.is_admin or not account.roles.isdisjoint(ROLES)


def may_access(user: User, sensor: Sensor, owner: User | None) -> bool:
    """Whether ``user`` may read and post to ``sensor``.

    Connections belong to the account of their owner; markets and weather are everybody's; an admin
    sees everything.

    Parameters
    ----------
    owner : User or None
        The user ``sensor.owner_id`` points to; None for markets and weather.
    """
    if user.is_admin or sensor.kind is not SensorKind.CONNECTION:
        return True
    return owner is not None and owner.account_id == user.account_id
