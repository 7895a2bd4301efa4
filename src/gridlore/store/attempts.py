"""Carry out a write transaction, and again when the database chose it as the victim of a conflict; and hold a
sensor for one.

Layer: store. A conflict has changed nothing, nor has a connection that was lost before it was used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

from gridlore.domain.errors import StoreUnavailableError
from gridlore.domain.heads import Head
from gridlore.domain.sensors import Sensor
from gridlore.store.interface import Store, StoreConflictError, WriteTransaction

log = structlog.get_logger(__name__)

T = TypeVar("T")

MAX_ATTEMPTS = 5


def write(store: Store, work: Callable[[WriteTransaction], T]) -> T:
    """What ``work`` gives, once what it did in its transaction is durable.

    Raises
    ------
    StoreUnavailableError
        It met a conflict every time. Nothing was changed.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            with store.begin_write() as transaction:
                result = work(transaction)
        except StoreConflictError as error:
            log.info("transaction conflict, trying again", attempt=attempt, error=str(error))
        else:
            return result
    raise StoreUnavailableError("The database is too busy right now. Please send this again.")


def lock_as_known(transaction: WriteTransaction, sensor: Sensor) -> Head:
    """The head of a sensor, held until the transaction ends.

    Raises
    ------
    StoreUnavailableError
        The sensor was emptied and has got another grid since this one was looked up, so what was worked out
        with it does not hold.
    """
    head = transaction.lock_sensors([sensor.id])[sensor.id]
    if head.grid not in (None, (sensor.resolution, sensor.grid_offset)):
        raise StoreUnavailableError(f"{sensor.name} has just been changed. Please start again.")
    return head
