"""Which connections each account may use beside its own: what grants come to, worked out once for a snapshot.

Layer: services. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from gridlore.domain.access import NO_ACCESS, Access, Grant
from gridlore.domain.sensors import Sensor, User

Shares = Mapping[int, Mapping[int, Access]]
"""What each account (by id) may do with connections of others (by id)."""


def share_out(
    grants: Iterable[Grant],
    owned: Mapping[int, Sequence[Sensor]],
    sensors: Mapping[int, Sensor],
    owner: Callable[[Sensor], User | None],
) -> Shares:
    """What all grants together allow.

    A grant of one connection counts as long as that belongs to the account that gave it.

    Parameters
    ----------
    owned : mapping
        Each account's own connections.
    """

    def meant_by(grant: Grant) -> Iterator[Sensor]:
        if grant.sensor_id is None:
            yield from owned.get(grant.from_account_id, ())
        elif sensor := sensors.get(grant.sensor_id):
            owning = owner(sensor)
            if owning is not None and owning.account_id == grant.from_account_id:
                yield sensor

    shares: defaultdict[int, dict[int, Access]] = defaultdict(dict)
    for grant in grants:
        if grant.from_account_id != grant.to_account_id:
            share = shares[grant.to_account_id]
            for sensor in meant_by(grant):
                share[sensor.id] = share.get(sensor.id, NO_ACCESS) | grant.access
    return dict(shares)
