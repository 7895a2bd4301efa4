"""Units of power, prices and weather.

Layer: domain. Sources: the API contract's list of units; ISO 4217 for currencies.
"""

from __future__ import annotations

import re

POWER_UNIT = "MW"

WEATHER_UNITS = {"irradiance": "kW/m²", "temperature": "°C", "wind speed": "m/s"}
"""The unit of each quantity every world knows; a world file may register others with their own."""

_SPELLINGS = {"kW/m2": "kW/m²", "0C": "°C"}

CURRENCIES = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP
    BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR
    FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES
    KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
    MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF
    SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS
    UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()
)

_PRICE = re.compile(r"([A-Z]{3})/(?:MWh|kWh)")


def normalise_unit(unit: str) -> str:
    """The one spelling we keep of a unit that is written in several ways.

    >>> normalise_unit("kW/m2"), normalise_unit("0C"), normalise_unit("MW")
    ('kW/m²', '°C', 'MW')
    """
    return _SPELLINGS.get(unit, unit)


def is_price_unit(unit: str) -> bool:
    """Whether this is a currency of ISO 4217 per MWh or kWh.

    >>> is_price_unit("KRW/kWh"), is_price_unit("EUR/Wh"), is_price_unit("ABC/MWh")
    (True, False, False)
    """
    match = _PRICE.fullmatch(unit)
    return match is not None and match[1] in CURRENCIES
