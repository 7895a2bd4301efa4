"""The trail of who came and went: written soon, bounded whatever is tried, and kept when a user goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from gridlore.domain.audit import FAIL_TO_LOG_IN, ISSUE_TOKEN, LOG_IN, AuditEntry, AuditFilter
from gridlore.services import audit
from gridlore.services.audit import ELSEWHERE, LONG, MAX_ADDED, MAX_KEYS, PERIOD, AuditTrail
from gridlore.store.interface import Store
from gridlore.store.relational import RelationalStore
from tests.conftest import wait_for
from tests.store.test_blocks import fill_directory

NOW = 1_700_000_000_000_000
SOURCE = Path(audit.__file__).parents[1]


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.moment = 0.0

    def __call__(self) -> float:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trail(store: Store, clock: Clock) -> Iterator[AuditTrail]:
    fill_directory(store)
    opened = AuditTrail(store, delay=0.005, monotonic=clock)
    yield opened
    opened.close()


def test_what_is_noted_is_written_soon_without_a_change_of_the_directory(
    trail: AuditTrail, store: Store
) -> None:
    version = store.directory_version()
    ann = store.read_directory().users[0]
    trail.note(ISSUE_TOKEN, ann, "192.0.2.1", NOW)
    wait_for(lambda: len(store.read_audit(10)) == 1)
    (entry,) = store.read_audit(10)
    assert (entry.actor, entry.user_id, entry.action, entry.after) == (
        ann.email, ann.id, "issue token", {"address": "192.0.2.1"},
    )  # fmt: skip
    assert store.directory_version() == version


def test_attempts_again_and_again_are_counted_and_told_once_a_period(
    trail: AuditTrail, store: Store, clock: Clock
) -> None:
    ann = store.read_directory().users[0]
    assert trail.note(FAIL_TO_LOG_IN, ann, "192.0.2.1", NOW).result(timeout=10)
    assert len(store.read_audit(10)) == 1
    for second in range(1, 50):
        trail.note(FAIL_TO_LOG_IN, ann, "192.0.2.1", NOW + second * 1_000_000)
    assert len(store.read_audit(10)) == 1
    clock.moment += PERIOD
    wait_for(lambda: len(store.read_audit(10)) == 2)
    newest = store.read_audit(1)[0]
    assert newest.after == {"address": "192.0.2.1", "times": "49"}
    assert newest.recorded_at == NOW + 49_000_000
    assert (newest.actor, newest.user_id, newest.subject_id) == ("somebody", None, ann.id)


def test_however_many_addresses_try_the_record_grows_by_no_more_than_a_bound(
    trail: AuditTrail, store: Store
) -> None:
    ben = store.read_directory().users[1]
    for number in range(3 * MAX_KEYS):
        trail.note(FAIL_TO_LOG_IN, None, f"192.0.2.{number}", NOW + number)
    trail.note(LOG_IN, ben, "198.51.100.1", NOW + 10_000)
    trail.close()
    entries = store.read_audit(10 * MAX_KEYS)
    assert len(entries) <= MAX_KEYS + 3
    times = [int((entry.after or {}).get("times", "1")) for entry in entries]
    assert sum(times) == 3 * MAX_KEYS + 1, "counted, every one"
    (success,) = (entry for entry in entries if entry.action == LOG_IN)
    assert (success.actor, success.after) == (ben.email, {"address": ELSEWHERE})


def imported(number: int = 0) -> AuditEntry:
    return AuditEntry(NOW + number, 1, "import", "sensor", 1, "connection A", None, {"file": f"{number}.csv"})


def test_an_unexpected_error_is_logged_and_what_waits_is_written_later(
    trail: AuditTrail, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "RETRY", 0.01)
    with monkeypatch.context() as broken, capture_logs() as lines:
        broken.setattr(RelationalStore, "record", lambda *_: 1 / 0)
        trail.add(imported())
        wait_for(lambda: len(lines) >= 2)
        assert trail.trouble() is None, "not for long yet"
        clock.moment += LONG
        assert "has not been written" in (trail.trouble() or "")
    assert lines[0]["exc_info"], "with the traceback"
    wait_for(lambda: len(store.read_audit(10)) == 1)
    wait_for(lambda: trail.trouble() is None)


def test_one_waits_for_what_is_written_and_neither_for_what_is_counted_nor_for_what_cannot_be(
    trail: AuditTrail, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = store.read_directory().users[0]
    assert trail.note(LOG_IN, ann, "192.0.2.1", NOW).result(10)
    assert len(store.read_audit(10)) == 1
    assert trail.note(LOG_IN, ann, "192.0.2.1", NOW + 1).done(), "counted"
    assert trail.add(imported()).result(10)
    assert [entry.action for entry in store.read_audit(10)] == ["import", LOG_IN]
    monkeypatch.setattr(RelationalStore, "record", lambda *_: 1 / 0)
    assert not trail.add(imported(1)).result(10)
    assert trail.add(imported(2)).done(), "nobody waits for the next attempt"


def test_what_waits_is_bounded_and_what_is_beyond_stands_in_the_log(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_directory(store)
    with monkeypatch.context() as broken, capture_logs() as lines:
        broken.setattr(RelationalStore, "record", lambda *_: 1 / 0)
        trail = AuditTrail(store, delay=0.005)
        for number in range(MAX_ADDED + 2):
            trail.add(imported(number))
        assert trail.left_out == 2
        beyond = [line["facts"]["file"] for line in lines if "left_out" in line]
        assert beyond == [f"{MAX_ADDED}.csv", f"{MAX_ADDED + 1}.csv"]
        trail.close()
        lost = [line for line in lines if line["event"].endswith("could not be written")]
    assert len(lost) == MAX_ADDED, "told as the process stops"
    assert "has ended" in (trail.trouble() or "")


def test_what_was_done_by_and_to_a_user_is_found_also_when_the_user_has_gone(
    store: RelationalStore,
) -> None:
    fill_directory(store)
    store.record(
        [
            AuditEntry(NOW, 2, "edit", "user", 1, "user user1@example.com", None, {"name": "A"}),
            AuditEntry(NOW + 1, 2, "edit", "account", 1, "account Charge Co", None, {"name": "B"}),
            AuditEntry(NOW + 2, None, "apply", "world", None, "world file w.toml", None, None, actor="root"),
        ]
    )
    with store.engine.begin() as connection:
        connection.execute(text("DELETE FROM source WHERE user_id = 2"))
        connection.execute(text("DELETE FROM app_user WHERE id = 2"))

    def found(only: AuditFilter) -> list[int]:
        return [entry.recorded_at - NOW for entry in store.read_audit(10, only=only)]

    assert found(AuditFilter()) == [2, 1, 0]
    assert found(AuditFilter(email="user2@example.com")) == [1, 0]
    assert found(AuditFilter(email="User1@Example.com")) == [0]
    assert found(AuditFilter(since=NOW + 1)) == [2, 1]
    assert found(AuditFilter(action="apply")) == [2]


def test_entries_of_one_moment_get_ids_of_their_own(store: Store) -> None:
    entries = [AuditEntry(NOW, None, "apply", "world", None, str(n), None, None) for n in range(2100)]
    store.record(entries)
    read = store.read_audit(5000)
    assert len({entry.id for entry in read}) == 2100
    assert {entry.title for entry in read} == {entry.title for entry in entries}


def test_no_statement_changes_or_removes_an_entry() -> None:
    forbidden = re.compile(
        r"(UPDATE|DELETE FROM|REPLACE INTO|TRUNCATE)\s+audit_entry|(update|delete)\((schema\.)?audit_entry",
        re.I,
    )
    files = [file for file in SOURCE.rglob("*.py") if "migrations" not in file.parts]
    assert any("INSERT INTO audit_entry" in file.read_text("utf-8") for file in files)
    assert [file.name for file in files if forbidden.search(file.read_text("utf-8"))] == []
