"""Read Excel workbooks in a process of their own, with bounds on its memory and time.

Layer: services. A workbook is a ZIP archive of XML files, so a small file can unfold into a huge one, and a
hostile one can keep a parser busy for ever, or list half a million parts. So a child process, without the
server's secrets, checks the sizes before anything is unpacked, and reads the sheets with openpyxl. The
operating system bounds what it takes, and whoever calls this, how many are read at once. Python's own XML
parser (expat) refuses entities that unfold without end.

Run as ``python -m gridlore.services.upload.workbook``: a workbook on standard input, JSON on standard
output.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import repeat
from typing import Any

from gridlore.services.upload.table import MIB, Cell, FileError, Table, TableBuilder

MAX_UNPACKED = 200 * MIB
MAX_MEMBER_STRINGS = 32 * MIB
"""Texts of a workbook are read at once; sheets are read row by row."""
MAX_MEMBERS = 2000
MAX_SHEETS = 50

MEMORY = 512 * MIB
CPU_SECONDS = 40
WALL_SECONDS = 60

MAX_ANSWER = 64 * MIB
"""Cells of all sheets, as the child tells them."""

KEPT = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "SYSTEMROOT",
)
"""What the child knows of the environment: nothing that may be secret."""

LAST_ROW = 1_048_576
"""Excel's."""

_FORMULA = re.compile(rb"<(?:\w{1,40}:)?f[\s>/]")


def is_workbook(data: bytes) -> bool:
    """Whether it is a ZIP archive, as workbooks are."""
    return data.startswith(b"PK\x03\x04")


def read_workbook(data: bytes) -> list[tuple[str, Table]]:
    """Name and table of each sheet.

    Raises
    ------
    FileError
        It is no workbook, a broken one, or one beyond the limits.
    """
    answer = _run_child(data)
    if "problem" in answer:
        raise FileError(answer["problem"])
    return [
        (sheet["name"], Table(sheet["numbers"], [[_decode(cell) for cell in row] for row in sheet["rows"]]))
        for sheet in answer["sheets"]
    ]


def encode_cell(cell: Cell) -> object:
    """A cell as JSON: a time becomes a list of its ISO 8601 text."""
    return [cell.isoformat()] if isinstance(cell, datetime) else cell


def _decode(cell: Any) -> Cell:
    return datetime.fromisoformat(cell[0]) if isinstance(cell, list) else cell


def _check_archive(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FileError(f"The file looks like an Excel workbook, and is broken: {error}.") from error
    if "[Content_Types].xml" not in {member.filename for member in members}:
        raise FileError("This is a ZIP archive, and not an Excel workbook. Upload the file that is in it.")
    if any(member.flag_bits & 1 for member in members):
        raise FileError("The workbook is protected by a password. Save it without one.")
    strings = max(
        (m.file_size for m in members if m.filename.lower().endswith("sharedstrings.xml")), default=0
    )
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED or strings > MAX_MEMBER_STRINGS:
        raise FileError(
            f"The workbook is too large: unpacked it has {unpacked / MIB:,.0f} MiB in {len(members):,} "
            f"parts; at most {MAX_UNPACKED / MIB:,.0f} MiB (texts: {MAX_MEMBER_STRINGS / MIB:,.0f} MiB) in "
            f"{MAX_MEMBERS:,} parts can be read. Save the sheet as CSV."
        )


def _run_child(data: bytes) -> dict[str, Any]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    try:
        child = subprocess.run(  # noqa: S603 - this very module
            [sys.executable, "-P", "-m", __name__],
            input=data,
            capture_output=True,
            env={**kept, "OPENPYXL_LXML": "False"},
            timeout=WALL_SECONDS,
            check=False,
        )
        answer: dict[str, Any] = json.loads(child.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FileError(
            "The workbook takes more time or memory than this server gives to one. Save the sheet as CSV."
        ) from error
    return answer


def main() -> None:
    """The child: read a workbook from standard input, answer on standard output."""
    _limit_resources()
    data = sys.stdin.buffer.read()
    try:
        _check_archive(data)
        answer: dict[str, Any] = {"sheets": read_sheets(data)}
    except FileError as error:
        answer = {"problem": error.message}
    except MemoryError:
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - whatever a hostile file brings about is told as one thing
        answer = {"problem": f"The workbook is broken, or is none ({type(error).__name__})."}
    text = json.dumps(answer)
    if len(text) > MAX_ANSWER:  # one text may be shared by many cells
        text = json.dumps({"problem": f"The workbook holds more than {MAX_ANSWER // MIB} MiB of cells."})
    sys.stdout.write(text)


def _limit_resources() -> None:
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - there is none on Windows, where the time is bounded only

    for what, limit in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))


def read_sheets(data: bytes) -> list[dict[str, Any]]:
    """Name, row numbers and rows (as JSON) of each sheet that holds anything."""
    for unneeded in ("numpy", "PIL", "lxml"):  # half a second, much memory, and another parser
        sys.modules.setdefault(unneeded, None)  # type: ignore[arg-type]
    from openpyxl import load_workbook  # type: ignore[import-untyped] # noqa: PLC0415 - in the child only

    computed = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    if len(computed.worksheets) > MAX_SHEETS:
        raise FileError(
            f"The workbook has {len(computed.worksheets)} sheets; at most {MAX_SHEETS} can be read."
        )
    uncomputed: Any = None
    sheets = []
    for position, sheet in enumerate(computed.worksheets):
        has_formulas = _has_formulas(sheet)
        if has_formulas and uncomputed is None:
            uncomputed = load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
        table = _read_sheet(sheet, uncomputed.worksheets[position] if has_formulas else None)
        if table.rows:
            rows = [[encode_cell(cell) for cell in row] for row in table.rows]
            sheets.append({"name": str(sheet.title)[:100], "numbers": table.numbers, "rows": rows})
    if not sheets:
        raise FileError("The workbook has no sheet with anything in it.")
    return sheets


def _has_formulas(sheet: Any) -> bool:
    """Whether any cell has a formula, by a quick look at the bytes."""
    with sheet._get_source() as source:
        end = b""
        while part := source.read(MIB):
            if _FORMULA.search(end + part):
                return True
            end = part[-50:]
    return False


def _read_sheet(sheet: Any, formulas: Any | None) -> Table:
    """The sheet's values; where it has none for a formula (nothing ever computed it), the formula's text."""
    builder = TableBuilder()
    texts: Iterator[tuple[object, ...]] = repeat(()) if formulas is None else _walk(formulas)
    for number, (cells, text) in enumerate(zip(_walk(sheet), texts, strict=False), 1):
        if number > LAST_ROW:
            raise FileError(f"A sheet has at most {LAST_ROW:,} rows; this one has more.")
        builder.add(number, [_simplify(cell) for cell in map(_either, cells, text or cells)])
    return builder.build()


def _walk(sheet: Any) -> Iterator[tuple[object, ...]]:
    sheet.reset_dimensions()  # what a sheet says of its size need not be so
    rows: Iterator[tuple[object, ...]] = sheet.iter_rows(values_only=True)
    return rows


def _either(value: object, formula: object) -> object:
    """A cell's value, or the formula that has none."""
    text = str(getattr(formula, "text", formula))
    return text[:100] if value is None and text.startswith("=") else value


def _simplify(cell: object) -> Cell:
    """A cell as one of our kinds. Times are kept as fractions of a day, and are rounded to whole seconds."""
    if cell is None:
        return None
    if isinstance(cell, datetime):
        return (cell + timedelta(milliseconds=500)).replace(microsecond=0, tzinfo=None)
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, (int, float)):
        return float(cell)
    if isinstance(cell, date):
        return datetime.combine(cell, time())
    return str(cell).strip()


if __name__ == "__main__":
    main()
