"""What a user may use, as the directory works it out once, and as grants say one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridlore.domain.access import ACCESS_WORDS, Grant, Purpose
from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.errors import GridloreError
from gridlore.domain.sensors import ADMIN, Account, Sensor, SensorKind, Source, SourceKind, User
from gridlore.domain.timing import HOUR
from gridlore.services.directory import Directory
from gridlore.store.interface import DirectoryRecords

ACCOUNTS = (1, 2, 3)
AUTHORITY = NamingAuthority("localhost", "2021-01")


@st.composite
def directories(draw: st.DrawFn) -> DirectoryRecords:
    """Three accounts with a user each and an admin, connections, a market, and grants in all directions."""
    users = [
        User(n, f"u{n}@here.test", f"u{n}", account, frozenset({ADMIN} if n == 4 else ()), True, None, "k")
        for n, account in enumerate((*ACCOUNTS, 1), start=1)
    ]
    owners = draw(st.lists(st.sampled_from(ACCOUNTS), max_size=6))
    sensors = [
        Sensor(n, SensorKind.CONNECTION, draw(st.sampled_from("ABC")), "MW", HOUR, owner_id=owner)
        for n, owner in enumerate(owners, start=1)
    ]
    sensors.append(Sensor(len(sensors) + 1, SensorKind.MARKET, "A", "EUR/MWh", HOUR))
    account = st.sampled_from(ACCOUNTS)
    which = st.none() | st.sampled_from([sensor.id for sensor in sensors])
    access = st.sampled_from(list(ACCESS_WORDS.values()))
    given_ = draw(st.lists(st.tuples(account, account, access, which), max_size=5))
    return DirectoryRecords(
        1,
        [Account(n, f"A{n}", frozenset({"Prosumer"})) for n in ACCOUNTS],
        users,
        [Source(user.id, SourceKind.USER, user.name, user.id) for user in users],
        sensors,
        grants=[Grant(n, *grant) for n, grant in enumerate(given_, start=1)],
    )


def may(records: DirectoryRecords, user: User, sensor: Sensor, purpose: Purpose) -> bool:
    """The slow oracle: asks every grant."""
    owner = next((other for other in records.users if other.id == sensor.owner_id), None)
    if user.is_admin or owner is None:
        return True
    return owner.account_id == user.account_id or any(
        grant.from_account_id == owner.account_id
        and grant.to_account_id == user.account_id
        and grant.sensor_id in (None, sensor.id)
        and purpose in grant.access
        for grant in records.grants
    )


@given(directories())
def test_a_user_may_use_what_the_own_account_has_and_what_grants_say(records: DirectoryRecords) -> None:
    directory = Directory(records, AUTHORITY)
    for user in records.users:
        for purpose in Purpose:
            expected = [sensor for sensor in records.sensors if may(records, user, sensor, purpose)]
            assert directory.accessible(user, purpose=purpose) == expected
            connections = [sensor for sensor in expected if sensor.kind is SensorKind.CONNECTION]
            assert directory.accessible(user, SensorKind.CONNECTION, purpose) == connections
            for sensor in records.sensors:
                assert directory.may_access(user, sensor, purpose) == (sensor in expected)
        either = [s for s in records.sensors if any(may(records, user, s, purpose) for purpose in Purpose)]
        assert directory.accessible(user) == either


@given(directories())
def test_a_name_stands_for_the_one_sensor_that_may_be_used_so(records: DirectoryRecords) -> None:
    directory = Directory(records, AUTHORITY)
    for user in records.users:
        for purpose in Purpose:
            for name in "ABC":
                usable = [s for s in records.sensors if s.name == name and may(records, user, s, purpose)]
                if len(usable) == 1:
                    for _ in ("asked first", "asked again, and remembered"):
                        assert list(directory.find_sensors(user, None, [name], purpose)) == usable
                    continue
                with pytest.raises(GridloreError) as caught:
                    directory.find_sensors(user, None, [name], purpose)
                told = caught.value.message.partition("such as")[0]  # an example, the same for everybody
                foreign = [s for s in records.sensors if not any(may(records, user, s, p) for p in Purpose)]
                assert not any(directory.address(sensor) in told for sensor in foreign)


@given(directories(), st.frozensets(st.integers(1, 8)))
def test_a_limited_directory_is_as_if_there_were_no_other_sensors(
    records: DirectoryRecords, kept: frozenset[int]
) -> None:
    limited = Directory(records, AUTHORITY).limited_to(kept)
    smaller = Directory(
        replace(records, sensors=[sensor for sensor in records.sensors if sensor.id in kept]), AUTHORITY
    )
    assert limited.sensors == smaller.sensors
    assert limited.quantities == smaller.quantities
    for user in records.users:
        for purpose in (*Purpose, None):
            assert limited.accessible(user, purpose=purpose) == smaller.accessible(user, purpose=purpose)
