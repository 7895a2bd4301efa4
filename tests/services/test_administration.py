"""The record of changes is kept with the changes, in order, and of changes that were made only."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from gridlore.domain.addresses import NamingAuthority
from gridlore.domain.audit import AuditEntry
from gridlore.domain.errors import AuthenticationError, UserError
from gridlore.domain.sensors import ADMIN, Account, Source, SourceKind, User
from gridlore.services.accounts import Accounts
from gridlore.services.administration import Administration, ChangedMeanwhileError, Edit, EditError, Subject
from gridlore.services.directory import Directory
from gridlore.services.directory_cache import DirectoryCache
from gridlore.services.keys import KeyRequest, KeyRing
from gridlore.store.interface import Store
from gridlore.wire.iso8601 import parse_resolution

NOW = 1_700_000_000_000_000
ROOT = User(1, "root@example.com", "root", 1, frozenset({ADMIN}), True, None, "key")


@pytest.fixture
def administration(store: Store) -> Iterator[Administration]:
    with store.change_directory() as directory:
        directory.save_account(Account(1, "Charge Co", frozenset({"Prosumer"})))
        directory.save_user(ROOT)
        directory.save_source(Source(1, SourceKind.USER, "root", 1))
    cache = DirectoryCache(store, NamingAuthority(), max_age=60)
    yield Administration(store, cache, Accounts("a key for the tests only", 3600), parse_resolution)
    cache.close()


def rename(name: str) -> Edit:
    return Edit(Subject.ACCOUNT, 1, {"name": name, "roles": ["Prosumer"]})


def make_change(administration: Administration, edit: Edit, now: int = NOW) -> AuditEntry:
    proposal = administration.propose(ROOT, edit, now)
    return administration.carry_out(ROOT, edit, proposal.seal, now)


def test_changes_are_told_newest_first_and_a_page_at_a_time(administration: Administration) -> None:
    made = [
        make_change(administration, rename(f"Größe {number} 'quoted' \\ \"so\""), NOW + number)
        for number in range(1, 6)
    ]
    ids = [entry.id for entry in reversed(made)]
    told = administration.read_changes(2)
    assert [entry.id for entry in told] == ids[:2]
    assert [entry.id for entry in administration.read_changes(10, before=ids[1])] == ids[2:]
    assert told[0] == AuditEntry(
        NOW + 5,
        ROOT.id,
        "edit",
        "account",
        1,
        "account Größe 5 'quoted' \\ \"so\"",
        {"name": "Größe 4 'quoted' \\ \"so\"", "roles": "Prosumer"},
        {"name": "Größe 5 'quoted' \\ \"so\"", "roles": "Prosumer"},
        id=ids[0],
        actor=ROOT.email,
    )


def test_what_fails_leaves_no_trace(administration: Administration, store: Store) -> None:
    with pytest.raises(RuntimeError, match="in the middle"), store.change_directory() as transaction:
        transaction.save_account(Account(2, "Half Co", frozenset()))
        transaction.record(AuditEntry(NOW, 1, "create", "account", 2, "account Half Co", None, {}))
        raise RuntimeError("in the middle")
    assert administration.read_changes(10) == []
    assert len(store.read_directory().accounts) == 1


def test_what_was_proposed_before_another_change_is_not_carried_out(administration: Administration) -> None:
    proposal = administration.propose(ROOT, rename("First Co"), NOW)
    make_change(administration, rename("Second Co"))
    with pytest.raises(ChangedMeanwhileError):
        administration.carry_out(ROOT, rename("First Co"), proposal.seal, NOW)
    assert len(administration.read_changes(10)) == 1


def test_of_changes_at_once_each_is_recorded_with_what_it_found(
    administration: Administration, store: Store
) -> None:
    def add(number: int) -> None:
        edit = Edit(Subject.USER, None, {"email": f"u{number}@example.com", "account": "Charge Co"})
        make_change(administration, edit)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(8)))
    entries = administration.read_changes(100)
    assert len({entry.id for entry in entries}) == 8
    records = store.read_directory()
    assert sorted(entry.subject_id for entry in entries) == [user.id for user in records.users[1:]]
    assert [source.user_id for source in records.sources] == [user.id for user in records.users]


def test_two_users_cannot_be_made_with_one_email_by_a_race(administration: Administration) -> None:
    edit = Edit(Subject.USER, None, {"email": "a@example.com", "account": "Charge Co"})
    seal = administration.propose(ROOT, edit, NOW).seal
    administration.carry_out(ROOT, edit, seal, NOW)
    with pytest.raises(EditError, match="already"):
        administration.carry_out(ROOT, edit, seal, NOW)


def test_a_user_that_moves_must_not_bring_a_connection_of_a_name_that_is_there(
    administration: Administration,
) -> None:
    make_change(administration, Edit(Subject.ACCOUNT, None, {"name": "Other Co", "roles": []}))
    make_change(administration, Edit(Subject.USER, None, {"email": "a@example.com", "account": "Other Co"}))
    for owner in ("root@example.com", "a@example.com"):
        fields = {"kind": "connection", "name": "CS 1", "owner": owner, "unit": "MW", "resolution": "PT15M"}
        make_change(administration, Edit(Subject.SENSOR, None, fields))
    moved = Edit(Subject.USER, 2, {"email": "a@example.com", "account": "Charge Co"})
    with pytest.raises(EditError, match="Accounts of users cannot change"):
        administration.propose(ROOT, moved, NOW)


def test_a_password_set_by_invitation_ends_all_tokens_and_other_invitations(
    administration: Administration, store: Store
) -> None:
    password_hash = administration.hash_password("a long password")
    changed = administration.accept_invitation(ROOT, password_hash, NOW)
    assert changed.token_key != ROOT.token_key
    assert store.read_directory().users[0] == changed
    with pytest.raises(UserError, match="in the meantime"):
        administration.accept_invitation(ROOT, password_hash, NOW)


def test_a_deactivated_user_gets_no_invitation(administration: Administration, store: Store) -> None:
    with store.change_directory() as directory:
        directory.save_user(replace(ROOT, id=2, email="gone@example.com", active=False))
    with pytest.raises(UserError, match="deactivated"):
        administration.invite(ROOT, 2, NOW)
    assert administration.read_changes(10) == []


@pytest.mark.parametrize("change", [{"active": False}, {"token_key": "another"}, {"roles": frozenset()}])
def test_who_is_no_administrator_any_more_changes_nothing(
    administration: Administration, store: Store, change: dict[str, Any]
) -> None:
    """The session was good when the form came; that it is so still is found out where the change is made."""
    seal = administration.propose(ROOT, rename("Late Co"), NOW).seal
    with store.change_directory() as directory:
        directory.save_user(User(2, "new@example.com", "new", 1, frozenset(), True, None, "key"))
        directory.save_user(replace(ROOT, **change))
    before = store.read_directory()
    (user,) = [user for user in before.users if user.id == 2]
    password_hash = administration.hash_password("a password for the tests")
    with pytest.raises(AuthenticationError):
        administration.carry_out(ROOT, rename("Late Co"), seal, NOW)
    with pytest.raises(AuthenticationError):
        administration.invite(ROOT, 2, NOW)
    with pytest.raises(AuthenticationError):
        administration.set_password(ROOT, user, password_hash, NOW)
    assert store.read_directory() == before
    assert administration.read_changes(10) == []


@pytest.mark.parametrize("change", [{"active": False}, {"token_key": "another"}])
def test_a_session_that_has_ended_makes_and_revokes_no_keys(
    administration: Administration, store: Store, change: dict[str, Any]
) -> None:
    ring, directory = KeyRing(store), Directory(store.read_directory(), NamingAuthority())
    key, _ = ring.create(directory, ROOT, KeyRequest("gateway"), NOW, ROOT)
    with store.change_directory() as transaction:
        transaction.save_user(replace(ROOT, **change))
    before = store.read_directory()
    with pytest.raises(AuthenticationError):
        ring.create(directory, ROOT, KeyRequest("another"), NOW, ROOT)
    with pytest.raises(AuthenticationError):
        ring.revoke(key.id, NOW, ROOT)
    assert store.read_directory() == before
