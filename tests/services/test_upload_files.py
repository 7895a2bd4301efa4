"""Files as they arrive: packed and unpacked, refused when they are no tables, and harmless when hostile."""

from __future__ import annotations

import io
import struct
import subprocess
import time
import zipfile
from datetime import datetime, timedelta
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridlore.services.upload import document as documents
from gridlore.services.upload import workbook as workbooks
from gridlore.services.upload.choices import choose
from gridlore.services.upload.document import Document, pack, read_document, unpack
from gridlore.services.upload.reading import read_rows
from gridlore.services.upload.table import ChoiceError, FileError
from tests.services.uploading import METER, NOW, events, make_workbook, read, rows


@pytest.mark.parametrize("sheets", [False, True])
def test_a_packed_document_comes_out_as_it_went_in(sheets):
    content = [["t", "v"], [datetime(2025, 1, 1), 1.5], [None, "é"]]
    data = make_workbook(S=content) if sheets else "t;é\n2025-01-01;1".encode()
    document = read_document("a", data)
    again = unpack(pack(document))
    assert (again.name, again.text) == (document.name, document.text)
    assert [(name, table.numbers, table.rows) for name, table in again.sheets] == [
        (name, table.numbers, table.rows) for name, table in document.sheets
    ]


@pytest.mark.parametrize("packed", ["", "x", "AAAA", "é", "eJwDAAAAAAE", "eJyrVkrLz0-yMjSuBQAU8wO9"])
def test_what_was_not_packed_is_refused(packed):
    with pytest.raises(FileError, match="did not arrive whole"):
        unpack(packed)


def test_a_packed_bomb_is_not_unfolded(monkeypatch):
    monkeypatch.setattr(documents, "MAX_UNPACKED", 10_000)
    bomb = pack(Document("a", "x" * 9000))
    monkeypatch.setattr(documents, "MAX_UNPACKED", 5_000)
    with pytest.raises(FileError, match="did not arrive whole"):
        unpack(bomb)


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 8


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "The file is empty"),
        (b" \r\n \n", "The file is empty"),
        (b";;;\n;;\n", "The file is empty"),
        (PNG, "neither text nor an Excel workbook"),
        (b"\xd0\xcf\x11\xe0" + bytes(500), "old kind"),
        (b"PK\x03\x04 and nothing more", "broken"),
        (b"\xff\xfe\x00", "UTF-16"),
        (b"a;b\n" + b"x" * 1001 + b";1", "Row 2 has a cell of 1,001 characters"),
        (b"a;b\n" + b";".join([b"1"] * 201), "Row 2 has 201 columns"),
        (b'a;b\n"' + b"x;1\n" * 50_000, "quotation mark"),
        (b"a;1\n" * 300_001, "more than 300,000 rows"),
        (b"x" * (16 * 1024 * 1024 + 1), "16.0 MiB; at most 16 MiB"),
    ],
)
def test_files_that_are_no_tables_are_refused_with_the_reason(data, problem):
    with pytest.raises(FileError, match=problem):
        read(data)


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return file.getvalue()


def with_member(data: bytes, name: str, content: bytes) -> bytes:
    """A workbook with one of its parts replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member.filename, content if member.filename == name else old.read(member))
    return file.getvalue()


SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">%s<sheetData>%s</sheetData></worksheet>'


@pytest.fixture(scope="module")
def simple() -> bytes:
    return make_workbook(S=[["t", "v"], [datetime(2025, 1, 1), 1]])


def hostile(simple: bytes, content: bytes, head: bytes = b"") -> bytes:
    return with_member(simple, "xl/worksheets/sheet1.xml", SHEET % (head, content))


def test_archives_that_unfold_into_too_much_are_refused_before_they_are_unpacked(simple):
    bomb = hostile(simple, b" " * (201 * 1024 * 1024))
    assert len(bomb) < 1024 * 1024
    begun = time.monotonic()
    with pytest.raises(FileError, match="too large: unpacked it has 201 MiB"):
        read_document("a.xlsx", bomb)
    with pytest.raises(FileError, match="texts: 32 MiB"):
        read_document(
            "a.xlsx", zipped(**{"[Content_Types].xml": b"", "xl__sharedStrings.xml": b" " * (33 << 20)})
        )
    assert time.monotonic() - begun < 2


def test_an_archive_of_half_a_million_parts_is_refused_in_a_process_of_its_own(monkeypatch):
    part = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, *[0] * 8, 1, *[0] * 6) + b"x"
    count = 200_000
    listing = part * count
    end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(listing), 4)
    place = struct.pack("<4sLQL", b"PK\x06\x07", 0, 4 + len(listing), 1)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    monkeypatch.setattr(zipfile, "ZipFile", None)  # of this process
    with pytest.raises(FileError, match="not an Excel workbook"):
        read_document("a.xlsx", b"PK\x03\x04" + listing + end + place + last)


def test_an_archive_that_lies_about_its_sizes_is_refused(simple):
    bomb = bytearray(hostile(simple, b" " * (30 * 1024 * 1024)))
    with zipfile.ZipFile(io.BytesIO(bytes(bomb))) as archive:
        offset = archive.getinfo("xl/worksheets/sheet1.xml").header_offset
    size = struct.pack("<L", len(SHEET % (b"", b"")) + 30 * 1024 * 1024)
    assert bomb.count(size) == 2
    assert offset < bomb.find(size)
    with pytest.raises(FileError, match="broken"):
        read_document("a.xlsx", bytes(bomb).replace(size, struct.pack("<L", 100)))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            b'<row r="9999999999"><c r="A9999999999"><v>1</v></c></row>',
            "at most 1,048,576 rows|more time or memory",
        ),
        (b'<row r="1"><c r="XFD1"><v>1</v></c></row>', "Row 1 has 16384 columns"),
        (b'<row r="1"><c r="A1" t="s"><v>99</v></c></row>', "broken, or is none .IndexError"),
        (
            b'<row r="1"><c r="A1" t="inlineStr"><is><t>' + b"x" * 2000 + b"</t></is></c></row>",
            "2,000 characters",
        ),
        (b"<row></nonsense>", "broken, or is none .ParseError"),
        (b"", "no sheet with anything in it"),
    ],
)
def test_hostile_sheets_are_refused(simple, content, problem):
    with pytest.raises(FileError, match=problem):
        read_document("a.xlsx", hostile(simple, content))


def test_what_a_sheet_says_of_its_size_is_not_believed(simple):
    head = b'<dimension ref="A1:XFD1048576"/>'
    row = b'<row r="1"><c r="A1" t="inlineStr"><is><t>2025-01-01</t></is></c><c r="B1"><v>7</v></c></row>'
    assert list(events(read(read_document("a.xlsx", hostile(simple, row, head)))).values()) == [7]


def test_entities_that_unfold_without_end_are_refused(simple):
    lol = b'<!DOCTYPE x [<!ENTITY a "%s">%s]>' % (
        b"lol" * 100,
        b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 50) for i in range(8)),
    )
    row = b'<row r="1"><c r="A1" t="inlineStr"><is><t>&i;</t></is></c></row>'
    bomb = with_member(simple, "xl/worksheets/sheet1.xml", lol + SHEET % (b"", row))
    with pytest.raises(FileError, match=r"broken, or is none|more time or memory"):
        read_document("a.xlsx", bomb)


def test_a_sheet_that_is_one_endless_row_meets_the_bounds_of_its_process(simple):
    cells = b'<c r="A1"><v>1</v></c>' * 4_000_000
    begun = time.monotonic()
    with pytest.raises(FileError, match="more time or memory"):
        read_document("a.xlsx", hostile(simple, b'<row r="1">' + cells + b"</row>", b'<dimension ref="A1"/>'))
    assert time.monotonic() - begun < workbooks.WALL_SECONDS


def test_a_long_text_that_very_many_cells_share_is_refused(monkeypatch):
    shared = make_workbook(data=[["x" * 1_000] * 100] * 700)
    with pytest.raises(FileError, match="more than 64 MiB of cells"):
        read_document("a.xlsx", shared)


def test_the_process_that_reads_workbooks_knows_no_secrets(simple, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "secret")
    monkeypatch.setenv("GRIDLORE_SECRET_KEY", "secret")
    given = Mock(side_effect=subprocess.run)
    monkeypatch.setattr(workbooks.subprocess, "run", given)
    read_document("a.xlsx", simple)
    assert "PATH" in given.call_args.kwargs["env"]
    assert "secret" not in given.call_args.kwargs["env"].values()


def test_the_process_that_reads_workbooks_is_ended_when_it_takes_too_long(simple, monkeypatch):
    monkeypatch.setattr(workbooks, "WALL_SECONDS", 0.01)
    with pytest.raises(FileError, match="more time or memory"):
        read_document("a.xlsx", simple)


def test_other_archives_and_protected_workbooks_are_told_apart():
    with pytest.raises(FileError, match="ZIP archive, and not an Excel workbook"):
        read_document("a.zip", zipped(a=b"1"))
    locked = bytearray(zipped(**{"[Content_Types].xml": b""}))
    locked[locked.rfind(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(FileError, match="password"):
        read_document("a.xlsx", bytes(locked))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(str.encode)
    | st.text(";,\t\n\"'0123456789.:-ABx ", max_size=200).map(str.encode)
)
def test_no_file_brings_about_anything_but_an_answer(data):
    if data.startswith(b"PK\x03\x04"):
        return
    try:
        reading = read(data)
    except (FileError, ChoiceError):
        return
    assert np.isfinite(reading.values[reading.good]).all()


def test_a_file_at_the_limit_is_read_in_seconds():
    start = datetime(2010, 1, 1)
    lines = [f"{start + timedelta(minutes=15 * i):%Y-%m-%dT%H:%MZ};{i}" for i in range(250_000)]
    begun = time.monotonic()
    document = unpack(pack(read_document("a.csv", rows(*lines).encode())))
    choices, table = choose(document, METER, {})
    assert read_rows(table, choices, METER, NOW).good.size == 250_000
    assert time.monotonic() - begun < 20


def test_a_text_is_made_a_table_once_for_all_choices_that_are_tried() -> None:
    document = Document("a.csv", "time,value\n2025-03-01 00:00,1;2\n")
    table = document.table(0, ",")
    assert document.table(0, ",") is table
    assert document.table(0, ";").width == 2
    assert [len(row) for row in document.table(0, ",").rows] == [len(row) for row in table.rows]
