"""Keys and grants come back from a store as they went in, and are gone when they are revoked."""

from dataclasses import replace

from gridlore.domain.access import ACCESS_WORDS, Grant
from gridlore.domain.keys import ApiKey
from gridlore.domain.sensors import Account
from gridlore.store.interface import Store
from tests.store.test_blocks import fill_directory


def test_keys_come_back_until_they_are_revoked_and_no_id_is_given_twice(store: Store) -> None:
    fill_directory(store)
    whole = ApiKey(0, 1, "whole", "glk_a", "hash a", False, None, 5)
    limited = ApiKey(0, 2, "limited", "glk_b", "hash b", True, frozenset({3, 1}), 6, expires_at=7)
    with store.change_directory() as transaction:
        saved = [transaction.save_key(key) for key in (whole, limited)]
    assert saved == [replace(whole, id=1), replace(limited, id=2)]
    assert store.read_directory().keys == saved
    with store.change_directory() as transaction:
        transaction.save_key(replace(saved[1], revoked_at=8))
        third = transaction.save_key(replace(limited, prefix="glk_c"))
    assert third.id == 3
    assert store.read_directory().keys == [saved[0], third]


def test_grants_come_back_until_they_are_revoked_and_no_id_is_given_twice(store: Store) -> None:
    fill_directory(store)
    with store.change_directory() as transaction:
        transaction.save_account(Account(2, "Others", frozenset()))
        saved = [
            transaction.save_grant(Grant(0, 1, 2, access, sensor_id))
            for access in ACCESS_WORDS.values()
            for sensor_id in (None, 1)
        ]
    assert [grant.id for grant in saved] == [1, 2, 3, 4, 5, 6]
    assert store.read_directory().grants == saved
    with store.change_directory() as transaction:
        transaction.save_grant(replace(saved[-1], revoked_at=8))
        seventh = transaction.save_grant(replace(saved[0], id=0))
    assert store.read_directory().grants == [*saved[:-1], replace(saved[0], id=7)]
    assert seventh.id == 7
