"""World files: what right ones bring about, and that nothing else changes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gridlore.domain.beliefs import Block
from gridlore.domain.errors import WorldError
from gridlore.domain.heads import Head
from gridlore.domain.sensors import Direction, SensorKind, SourceKind
from gridlore.domain.timing import HOUR, MINUTE
from gridlore.store.interface import Store
from tests.services.applying import SMALL, apply

SAME_NAME = """
[[sensor]]
kind = "connection"
name = "CS 1"
owner = "mia@example.com"
resolution = "PT15M"
unit = "MW"
"""


def give_data(store: Store, sensor_id: int) -> None:
    """Make something known about a sensor."""
    with store.begin_write() as transaction:
        head = transaction.lock_sensors([sensor_id])[sensor_id]
        block = Block(sensor_id, 1, 0, 15 * MINUTE, np.ones(4), belief_horizon=0, seq=head.next_seq)
        transaction.append_blocks([block])
        known = Head(sensor_id, head.next_seq + 1, events_start=0, events_end=HOUR)
        transaction.save_heads([known])


def test_a_world_comes_about_with_ids_in_order_of_the_file(store, hashes):
    summary = apply(store, SMALL, hashes)
    assert summary.created == (
        "account Charge Co",
        "account Meter Co",
        "user ann@example.com",
        "user mia@example.com",
        "connection CS 1",
        "market epex_da",
        "weather temperature at 33.48, 0.0",
        "weather snow on the roof",
    )
    assert summary.updated == summary.unchanged == ()
    records = store.read_directory()
    assert [(account.id, account.name, account.roles) for account in records.accounts] == [
        (1, "Charge Co", {"Prosumer", "ESCo"}),
        (2, "Meter Co", {"MDC"}),
    ]
    ann, mia = records.users
    assert (ann.id, ann.email, ann.name, ann.account_id, ann.is_admin) == (
        1,
        "ann@example.com",
        "ann",
        1,
        True,
    )
    assert (mia.id, mia.email, mia.name, mia.account_id, mia.is_admin) == (
        (2, "mia@example.com", "Mia of Meter Co", 2, False)
    )
    assert ann.password_hash == "#1 ann's password"
    assert mia.password_hash is None
    assert ann.active
    assert ann.token_key != mia.token_key
    assert [(source.id, source.kind, source.name, source.user_id) for source in records.sources] == [
        (1, SourceKind.USER, "ann", 1),
        (2, SourceKind.USER, "Mia of Meter Co", 2),
    ]


def test_sensors_have_what_the_file_states_and_the_defaults_of_their_kind(store, hashes):
    apply(store, SMALL, hashes)
    charger, market, temperature, snow = store.read_directory().sensors
    assert (charger.id, charger.kind, charger.owner_id) == (1, SensorKind.CONNECTION, 1)
    assert (charger.direction, charger.unit, charger.resolution) == (Direction.CONSUMER, "MW", 15 * MINUTE)
    assert (market.id, market.unit, market.owner_id, market.direction) == (2, "EUR/MWh", None, Direction.BOTH)
    assert (temperature.name, temperature.unit) == ("temperature at 33.48, 0.0", "°C")
    assert (temperature.latitude, temperature.longitude) == (33.48, 0.0)
    assert (temperature.timezone, temperature.grid_offset) == ("UTC", 0)
    assert (snow.quantity, snow.unit, snow.resolution) == ("snow depth", "cm", 24 * HOUR)


def test_a_grid_begins_at_midnight_of_the_time_zone(store, hashes):
    """India is 5 h 30 min ahead of UTC: its hours begin at half past in UTC, its quarters with all others."""
    apply(store, SMALL, hashes)
    charger, market, *_ = store.read_directory().sensors
    assert charger.grid_offset == 0
    assert market.grid_offset == 30 * MINUTE


def test_applying_again_changes_nothing_and_hashes_nothing(store, hashes):
    apply(store, SMALL, hashes)
    before = store.read_directory()
    summary = apply(store, SMALL, hashes, year=2030)
    assert summary.created == summary.updated == ()
    assert len(summary.unchanged) == 8
    assert dataclasses.replace(store.read_directory(), version=before.version) == before
    assert hashes.made == 1


def test_a_changed_password_is_hashed_and_ends_tokens(store, hashes):
    apply(store, SMALL, hashes)
    before = store.read_directory().users[0]
    apply(store, SMALL.replace('password_env = "ANN_PW"', 'password = "another"'), hashes)
    after = store.read_directory().users[0]
    assert hashes.verify_password(after.password_hash or "", "another")
    assert after.token_key != before.token_key


def test_a_user_without_a_password_in_the_file_keeps_the_one_set_elsewhere(store, hashes):
    apply(store, SMALL, hashes)
    with store.change_directory() as transaction:
        mia = transaction.records().users[1]
        transaction.save_user(dataclasses.replace(mia, password_hash="#9 set by hand", active=False))
    summary = apply(store, SMALL, hashes)
    after = store.read_directory().users[1]
    assert (after.password_hash, after.active) == ("#9 set by hand", False)
    assert "user mia@example.com" in summary.unchanged


def test_what_differs_is_updated_under_the_same_ids_and_the_rest_is_left_alone(store, hashes):
    apply(store, SMALL, hashes)
    before = store.read_directory()
    changed = (
        SMALL.replace('roles = ["MDC"]', 'roles = ["MDC", "DSO"]')
        .replace('name = "Mia of Meter Co"', 'name = "Mia"')
        .replace('direction = "consumer"', 'direction = "both"')
        .replace("snow on the roof", "snow in the yard")
    )
    summary = apply(store, changed, hashes)
    assert summary.updated == (
        "account Meter Co",
        "user mia@example.com",
        "connection CS 1",
        "weather snow in the yard",
    )
    after = store.read_directory()
    assert after.accounts[1].roles == {"MDC", "DSO"}
    assert (after.users[1].name, after.sources[1].name) == ("Mia", "Mia")
    assert after.sensors[0].direction is Direction.BOTH
    assert after.sensors[3].name == "snow in the yard"
    assert after.users[1].token_key == before.users[1].token_key
    assert (after.sensors[1], after.sensors[2]) == (before.sensors[1], before.sensors[2])


def test_entries_may_refer_to_what_is_in_the_database_already(store, hashes):
    apply(store, SMALL, hashes)
    more = """
        [[user]]
        email = "bob@example.com"
        account = "Charge Co"
        [[sensor]]
        kind = "connection"
        name = "CS 2"
        owner = "ann@example.com"
        resolution = "PT5M"
        unit = "MW"
    """
    summary = apply(store, more, hashes)
    assert summary.created == ("user bob@example.com", "connection CS 2")
    records = store.read_directory()
    assert (records.users[2].id, records.users[2].account_id, records.sources[2].user_id) == (3, 1, 3)
    assert (records.sensors[4].id, records.sensors[4].owner_id) == (5, 1)
    assert len(records.accounts) == 2


def test_a_connection_is_known_by_its_account_and_name_so_its_owner_can_change_within_it(store, hashes):
    apply(store, SMALL, hashes)
    bob = '[[user]]\nemail = "bob@example.com"\naccount = "Charge Co"\n'
    apply(store, SMALL.replace('owner = "ANN@example.com"', 'owner = "bob@example.com"') + bob, hashes)
    records = store.read_directory()
    assert [(sensor.id, sensor.owner_id) for sensor in records.sensors if sensor.name == "CS 1"] == [(1, 3)]


def test_two_accounts_may_each_have_a_connection_of_the_same_name(store, hashes):
    apply(store, SMALL, hashes)
    assert apply(store, SAME_NAME, hashes).created == ("connection CS 1",)


def test_moving_a_user_takes_the_connections_along_unless_names_would_clash(store, hashes):
    apply(store, SMALL, hashes)
    move = '[[user]]\nemail = "mia@example.com"\naccount = "Charge Co"\n'
    apply(store, SAME_NAME, hashes)
    before = store.read_directory()
    with pytest.raises(WorldError, match="one account has two connections with the same name"):
        apply(store, move, hashes)
    assert store.read_directory() == before
    apply(store, SAME_NAME.replace("CS 1", "CS 9"), hashes)
    moved = '[[user]]\nemail = "ann@example.com"\naccount = "Charge Co"\nroles = ["admin"]\n'
    assert apply(store, moved, hashes).unchanged == ("user ann@example.com",)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'resolution = "PT15M"\nunit = "MW"',
            'resolution = "PT5M"\nunit = "MW"',
            "w.toml:21: [[sensor]] 1 (CS 1): resolution of connection CS 1 cannot change, because it has "
            'data: it is "PT15M"; got "PT5M".',
        ),
        (
            'unit = "EUR/MWh"',
            'unit = "KRW/kWh"',
            "w.toml:28: [[sensor]] 2 (epex_da): unit of market epex_da cannot change, because it has data: "
            'it is "EUR/MWh"; got "KRW/kWh".',
        ),
        (
            'resolution = "PT1H"\ntimezone = "Asia/Kolkata"',
            'resolution = "PT1H"\ntimezone = "Asia/Seoul"',
            "w.toml:30: [[sensor]] 2 (epex_da): timezone of market epex_da cannot change so that its events "
            'begin at other times, because it has data: it is "Asia/Kolkata"; got "Asia/Seoul".',
        ),
    ],
)
def test_unit_resolution_and_grid_of_a_sensor_with_data_cannot_change(store, hashes, old, new, told):
    apply(store, SMALL, hashes)
    for sensor_id in (1, 2):
        give_data(store, sensor_id)
    before = store.read_directory()
    assert old in SMALL
    with pytest.raises(WorldError) as caught:
        apply(store, SMALL.replace(old, new), hashes)
    assert caught.value.message == told
    assert store.read_directory() == before


def test_without_data_unit_resolution_and_grid_can_change(store, hashes):
    apply(store, SMALL, hashes)
    changed = SMALL.replace('"EUR/MWh"', '"KRW/kWh"').replace(
        'resolution = "PT1H"\ntimezone = "Asia/Kolkata"', 'resolution = "PT30M"\ntimezone = "Asia/Kathmandu"'
    )
    assert apply(store, changed, hashes).updated == ("market epex_da",)
    market = store.read_directory().sensors[1]
    assert (market.unit, market.resolution, market.grid_offset) == ("KRW/kWh", 30 * MINUTE, 15 * MINUTE)


def test_a_time_zone_with_the_same_grid_can_be_given_to_a_sensor_with_data(store, hashes):
    apply(store, SMALL, hashes)
    give_data(store, 1)
    apply(
        store,
        SMALL.replace('"consumer"\ntimezone = "Asia/Kolkata"', '"consumer"\ntimezone = "Asia/Seoul"'),
        hashes,
    )
    assert store.read_directory().sensors[0].timezone == "Asia/Seoul"


def test_one_problem_beside_many_right_entries_changes_nothing(store, hashes):
    apply(store, SMALL, hashes)
    give_data(store, 2)
    before = store.read_directory()
    more = '[[account]]\nname = "New Co"\n' + SMALL.replace('unit = "EUR/MWh"', 'unit = "KRW/kWh"')
    with pytest.raises(WorldError):
        apply(store, more, hashes)
    assert store.read_directory() == before
