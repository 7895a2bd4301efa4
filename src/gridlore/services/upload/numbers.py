"""Read numbers as people and programs write them: decimal point or comma, spaces between thousands.

Layer: services.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from math import isfinite, nan

from gridlore.services.upload.table import Cell, show_cell

GAPS = frozenset(
    {"", "-", "–", "na", "n/a", "n/e", "nan", "null", "none", "nil", "#n/a", "#nv", "missing", "?"}
)
"""What stands for no value, in lower case."""

DECIMALS = (".", ",")

_PLAIN = {
    ".": re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII),
    ",": re.compile(r"[+-]?(?:\d+(?:,\d*)?|,\d+)(?:[eE][+-]?\d+)?", re.ASCII),
}
_SPACES = re.compile(r"(?<=\d)[ \u00a0\u202f'](?=\d{3}(?!\d))", re.ASCII)
_MINUS = str.maketrans({"−": "-"})


class NumberError(ValueError):
    """A cell holds no number; the text says why, to follow the row's number."""


def find_decimal(cells: Iterable[Cell]) -> str:
    """The decimal sign that most of these cells have: a comma only where no point says otherwise.

    >>> find_decimal(["1,5", "2", ""]), find_decimal(["1.5", "2,5", "3.5"]), find_decimal([1.5])
    (',', '.', '.')
    """
    texts = [cell for cell in cells if isinstance(cell, str)]
    commas = sum(_last_sign(text) == "," for text in texts)
    points = sum(_last_sign(text) == "." for text in texts)
    return "," if commas > points else "."


def _last_sign(text: str) -> str:
    return "," if text.rfind(",") > text.rfind(".") else "." if "." in text else ""


def read_number(cell: Cell, decimal: str) -> float:
    """The number in a cell; NaN when it says that there is none.

    Raises
    ------
    NumberError
        It is something else.

    >>> read_number("1 234,5", ","), read_number("-.5", "."), read_number("NaN", ".")
    (1234.5, -0.5, nan)
    """
    if cell is None:
        return nan
    if isinstance(cell, float):
        if not isfinite(cell):
            raise NumberError(f'"{show_cell(cell)}" is too large for a number')
        return cell
    if isinstance(cell, datetime):
        raise NumberError(f'"{show_cell(cell)}" is a time, no number')
    if cell.lower() in GAPS:
        return nan
    if cell.startswith("="):
        raise NumberError(
            f'the formula "{show_cell(cell)}" has no stored result: open the workbook in Excel and save it'
        )
    number = _parse(cell.translate(_MINUS), decimal)
    if number is None:
        raise NumberError(f'"{show_cell(cell)}" is no number{_hint(cell, decimal)}')
    if not isfinite(number):
        raise NumberError(f'"{show_cell(cell)}" is too large for a number')
    return number


def _parse(text: str, decimal: str) -> float | None:
    other = "." if decimal == "," else ","
    compact = _SPACES.sub("", text)
    if decimal in compact:  # 1.234,5: only together do the two signs leave no doubt
        whole, _, rest = compact.partition(decimal)
        if re.fullmatch(rf"[+-]?\d{{1,3}}(?:{re.escape(other)}\d{{3}})+", whole, re.ASCII):
            compact = whole.replace(other, "") + decimal + rest
    if not _PLAIN[decimal].fullmatch(compact):
        return None
    return float(compact.replace(",", "."))


def _hint(text: str, decimal: str) -> str:
    other = "." if decimal == "," else ","
    if _parse(text, other) is None:
        return ""
    words = {".": "point", ",": "comma"}
    return f" with a decimal {words[decimal]}, as the others are"
