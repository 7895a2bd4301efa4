"""What a user may use, as the directory works it out once, and as grants say one by one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from gridlore.bootstrap import connect_store
from gridlore.domain.access import ACCESS_WORDS, Grant, Purpose
from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.errors import GridloreError, SchemaError, StoreUnavailableError
from gridlore.domain.sensors import ADMIN, Account, Sensor, SensorKind, Source, SourceKind, User
from gridlore.domain.timing import HOUR
from gridlore.services.directory import Directory
from gridlore.services.directory_cache import BLIND, DirectoryCache
from gridlore.services.keys import KeyRequest, KeyRing
from gridlore.store import relational
from gridlore.store.interface import DirectoryRecords
from tests.conftest import Databases, wait_for
from tests.store.test_blocks import fill_directory

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


def test_a_source_that_is_named_often_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(1, "A1", frozenset({"MDC"}))
    user = User(7, "u@here.test", "u", 1, frozenset(), True, None, "k")
    records = DirectoryRecords(1, [account], [user], [Source(3, SourceKind.USER, "u", 7)], [])
    directory = Directory(records, AUTHORITY)
    looked_up = Mock(side_effect=directory._sources_of_role)
    monkeypatch.setattr(directory, "_sources_of_role", looked_up)
    assert directory.find_sources(["MDC", 7, "DSO"] * 100) == {3}
    assert looked_up.call_count == 2


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


class Broken:
    """A store whose directory cannot be read in this way; None: it can."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.version = 1
        self.failed = 0

    def directory_version(self) -> int:
        if self.error is not None:
            self.failed += 1
            raise self.error
        return self.version

    def read_directory(self) -> DirectoryRecords:
        return DirectoryRecords(self.version, [], [], [], [])


@pytest.mark.parametrize(
    "error",
    [StoreUnavailableError("away"), SchemaError("another"), RuntimeError("no such table"), KeyError(1)],
)
def test_changes_are_seen_again_after_any_error_and_what_hides_them_is_told(error: Exception) -> None:
    store, now = Broken(), [0.0]
    cache = DirectoryCache(store, AUTHORITY, max_age=0.01, monotonic=lambda: now[0])  # type: ignore[arg-type]
    try:
        store.error, store.version = error, 2
        wait_for(lambda: store.failed > 1)
        now[0] = BLIND
        assert cache.trouble() is None, "a short while is nothing to tell of"
        now[0] = BLIND + 1
        assert "not seen" in str(cache.trouble())
        store.error = None
        wait_for(lambda: cache.current.version == 2)
        wait_for(lambda: cache.trouble() is None)
    finally:
        cache.close()


def test_a_table_that_is_away_for_a_moment_does_not_end_looking(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = databases.settings(databases.create(databases.template(None)))
    store = connect_store(settings)
    failed, look = list[Exception](), store.directory_version

    def watched() -> int:
        try:
            return look()
        except Exception as error:
            failed.append(error)
            raise

    monkeypatch.setattr(store, "directory_version", watched)
    engine = create_engine(settings.database_url.replace("postgresql:", "postgresql+psycopg:"))
    cache = DirectoryCache(store, AUTHORITY, max_age=0.01)
    try:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE directory_state RENAME TO elsewhere"))
        wait_for(lambda: bool(failed))
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO directory_state"))
        with store.change_directory() as transaction:
            transaction.save_account(Account(1, "Late Co", frozenset()))
        wait_for(lambda: 1 in cache.current.accounts)
    finally:
        cache.close()
        engine.dispose()
        store.close()


def test_who_read_first_does_not_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Broken()
    cache = DirectoryCache(store, AUTHORITY, max_age=3600)  # type: ignore[arg-type]
    began, go_on = threading.Event(), threading.Event()
    read = store.read_directory

    def read_slowly() -> DirectoryRecords:
        found = read()
        monkeypatch.setattr(store, "read_directory", read)
        began.set()
        assert go_on.wait(10)
        return found

    try:
        store.version = 2
        monkeypatch.setattr(store, "read_directory", read_slowly)
        with ThreadPoolExecutor(2) as threads:
            slow = threads.submit(cache.refresh)
            assert began.wait(10)
            store.version = 3
            quick = threads.submit(cache.refresh)
            wait([quick], timeout=0.1)
            go_on.set()
            slow.result(10), quick.result(10)
        assert cache.current.version == 3
    finally:
        cache.close()


def test_a_change_that_is_made_is_told_though_it_cannot_be_looked_at(databases: Databases) -> None:
    settings = databases.settings(databases.create(databases.template(None)))
    store = connect_store(settings)
    fill_directory(store)
    cache = DirectoryCache(store, AUTHORITY, max_age=3600)
    user = cache.current.users[1]

    def away() -> int:
        raise StoreUnavailableError("away")

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "directory_version", away)
            key, secret = KeyRing(store, cache.see_change).create(
                cache.current, user, KeyRequest("gateway"), 1, user
            )
        assert secret.startswith(key.prefix)
        assert [kept.name for kept in store.read_directory().keys] == ["gateway"]
    finally:
        cache.close()
        store.close()


def test_what_is_read_is_of_one_moment(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sensor and the grant of it, made while another process reads: both are seen, or none."""
    settings = databases.settings(databases.create(databases.template(None)))
    store, other = connect_store(settings), connect_store(settings)
    fill_directory(store)
    first_look = relational._version

    def look(connection: Any) -> int:
        version = first_look(connection)
        with monkeypatch.context() as patch, other.change_directory() as transaction:
            patch.setattr(relational, "_version", first_look)
            transaction.save_account(Account(7, "Late Co", frozenset()))
        return version

    before = store.read_directory()
    monkeypatch.setattr(relational, "_version", look)
    assert store.read_directory() == before
    store.close()
    other.close()
