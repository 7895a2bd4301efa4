"""Who may read and post to what."""

from __future__ import annotations

import pytest

from gridlore.domain.access import ACCESS_WORDS, NO_ACCESS, Purpose, access_word, may_access, may_use_services
from gridlore.domain.sensors import ADMIN, ROLES, Account, Sensor, SensorKind, User
from gridlore.domain.timing import HOUR


def user(user_id: int, account_id: int, *roles: str) -> User:
    return User(
        user_id, f"u{user_id}@here.test", f"u{user_id}", account_id, frozenset(roles), True, None, "key"
    )


def sensor(kind: SensorKind, owner_id: int | None = None) -> Sensor:
    return Sensor(1, kind, "it", "MW", HOUR, owner_id=owner_id)


OWNER, COLLEAGUE, STRANGER, ADMINISTRATOR = user(1, 1), user(2, 1), user(3, 2), user(4, 2, ADMIN)


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize(
    ("asking", "allowed"), [(OWNER, True), (COLLEAGUE, True), (STRANGER, False), (ADMINISTRATOR, True)]
)
def test_a_connection_is_open_to_its_owners_account_and_to_admins(asking, allowed, purpose):
    assert may_access(asking, sensor(SensorKind.CONNECTION, 1), OWNER, NO_ACCESS, purpose) is allowed


@pytest.mark.parametrize("word", ACCESS_WORDS)
@pytest.mark.parametrize("purpose", Purpose)
def test_a_grant_opens_a_connection_for_what_it_says_and_nothing_else(word, purpose):
    connection = sensor(SensorKind.CONNECTION, 1)
    assert may_access(STRANGER, connection, OWNER, ACCESS_WORDS[word], purpose) is (purpose in word)
    assert may_access(OWNER, connection, OWNER, ACCESS_WORDS[word], purpose)
    assert access_word(ACCESS_WORDS[word]) == word


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("kind", [SensorKind.MARKET, SensorKind.WEATHER])
@pytest.mark.parametrize("asking", [OWNER, STRANGER, ADMINISTRATOR])
def test_markets_and_weather_are_open_to_everybody(kind, asking, purpose):
    assert may_access(asking, sensor(kind), None, NO_ACCESS, purpose)


@pytest.mark.parametrize("purpose", Purpose)
def test_a_connection_without_a_known_owner_is_open_to_admins_only(purpose):
    orphan = sensor(SensorKind.CONNECTION, 99)
    assert not may_access(OWNER, orphan, None, ACCESS_WORDS["read+post"], purpose)
    assert may_access(ADMINISTRATOR, orphan, None, NO_ACCESS, purpose)


@pytest.mark.parametrize("role", ROLES)
def test_any_one_account_role_opens_the_services(role):
    assert may_use_services(OWNER, Account(1, "A", frozenset({role, "Collector of stamps"})))


@pytest.mark.parametrize("roles", [set(), {"admin"}, {"mdc"}, {"Prosumers"}])
def test_other_roles_open_none_but_to_admins(roles):
    assert not may_use_services(OWNER, Account(1, "A", frozenset(roles)))
    assert may_use_services(ADMINISTRATOR, Account(1, "A", frozenset(roles)))


def test_there_are_six_account_roles():
    assert set(ROLES) == {"Aggregator", "Supplier", "MDC", "DSO", "Prosumer", "ESCo"}
