"""Read text with separated columns: what encoding it is in, what separates its columns.

Layer: services.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from itertools import islice

from gridlore.services.upload.table import FileError, Table, TableBuilder

DELIMITERS = (";", "\t", ",", "|")
"""In order of preference: where columns have semicolons between them, commas are decimal ones."""

SAMPLED_LINES = 50

_JUNK = re.compile("[\x00-\x08\x0b\x0e-\x1f]")


def decode(data: bytes) -> str:
    """The text of a file: UTF-16 and UTF-8 with their marks, UTF-8, else Western European.

    Raises
    ------
    FileError
        It holds what no text holds.

    >>> decode(b"\\xef\\xbb\\xbfa;b"), decode("é".encode()), decode(b"\\xe9")
    ('a;b', 'é', 'é')
    """
    try:
        text = _decode(data)
    except UnicodeDecodeError as error:
        raise FileError("The file begins as UTF-16 text and goes on as something else.") from error
    text = text.rstrip("\x1a\x00") if text.endswith("\x1a") else text
    junk = _JUNK.search(text)
    if junk:
        raise FileError(
            f"This is neither text nor an Excel workbook (.xlsx): it holds the control character "
            f"{ord(junk[0]):#04x} in line {text.count(chr(10), 0, junk.start()) + 1}."
        )
    return text


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def find_delimiter(text: str) -> str:
    """What most likely separates the columns.

    >>> find_delimiter("time;value\\n2025-01-01 00:00;1,5"), find_delimiter("no columns at all")
    (';', ',')
    """
    lines = [line for line in islice(io.StringIO(text), SAMPLED_LINES) if line.strip()]

    def agreement(delimiter: str) -> int:
        """Lines with as many columns as the last one, if it has several: what is above may be a preamble."""
        counts = [line.count(delimiter) for line in lines]
        return counts.count(counts[-1]) if counts and counts[-1] else 0

    best = max(DELIMITERS, key=agreement)  # the first of equals
    return best if agreement(best) else ","


def read_table(text: str, delimiter: str) -> Table:
    """The rows of a text, numbered by line.

    Raises
    ------
    FileError
        A limit is exceeded, or a quotation mark is never closed.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    builder = TableBuilder()
    number = 1
    try:
        for cells in reader:
            builder.add(number, [cell.strip() for cell in cells])
            number = reader.line_num + 1
    except csv.Error as error:
        raise FileError(
            f"Row {number} cannot be read: {error}. Is there a quotation mark that is never closed?"
        ) from error
    return builder.build()
