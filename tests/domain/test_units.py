"""Which units there are for power, prices and weather."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridlore.domain.units import CURRENCIES, WEATHER_UNITS, is_price_unit, normalise_unit


@given(st.sampled_from(sorted(CURRENCIES)), st.sampled_from(["MWh", "kWh"]))
def test_every_currency_per_mwh_or_kwh_is_a_price_unit(currency, energy):
    assert is_price_unit(f"{currency}/{energy}")


@pytest.mark.parametrize(
    "currency", ["EUR", "KRW", "USD", "GBP", "NOK", "SEK", "DKK", "CHF", "JPY", "INR", "PLN"]
)
def test_the_currencies_of_known_power_markets_are_known(currency):
    assert currency in CURRENCIES


def test_every_currency_code_is_three_capital_letters():
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)


@pytest.mark.parametrize(
    "unit",
    [
        "",
        "EUR",
        "EUR/",
        "eur/MWh",
        "EUR/mwh",
        "EUR/GWh",
        "EUR/MW",
        "EUR / MWh",
        "XYZ/MWh",
        "EUR/MWh\n",
        "€/MWh",
        "MW",
    ],
)
def test_anything_else_is_no_price_unit(unit):
    assert not is_price_unit(unit)


def test_every_quantity_keeps_one_spelling_of_its_unit():
    assert normalise_unit("kW/m2") == WEATHER_UNITS["irradiance"]
    assert normalise_unit("0C") == WEATHER_UNITS["temperature"]
    assert all(normalise_unit(unit) == unit for unit in WEATHER_UNITS.values())


@given(st.text())
def test_normalising_twice_changes_no_more_than_once(unit):
    assert normalise_unit(normalise_unit(unit)) == normalise_unit(unit)
