"""What a file holds once its format is forgotten: numbered rows of cells. And how much it may hold.

Layer: services. Standard library only (``workbook`` runs in a small process of its own).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gridlore.domain.errors import GridloreError

Cell = str | float | datetime | None
"""A text, a number or a naive time (those two of workbooks only), or nothing."""

MIB = 1024 * 1024

MAX_FILE_BYTES = 16 * MIB
MAX_ROWS = 300_000
"""Half a year of minutes, eight years of quarter hours."""
MAX_COLUMNS = 200
MAX_CELLS = 3_000_000
MAX_CELL_LENGTH = 1000
"""Characters; no time and no number needs more."""


class FileError(GridloreError):
    """A file cannot be read as a table, or not within the limits."""


class ChoiceError(GridloreError):
    """What was chosen for reading a file does not fit it; ``field`` names the choice."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows that hold anything, ``numbers`` [counted from 1, as spreadsheets show them], and the cells."""

    numbers: list[int]
    rows: list[list[Cell]]

    @property
    def width(self) -> int:
        """Columns of the widest row."""
        return max(map(len, self.rows), default=0)

    def cell(self, row: int, column: int) -> Cell:
        """The cell at these positions (counted from 0); None beyond a short row's end."""
        cells = self.rows[row]
        return cells[column] if column < len(cells) else None


class TableBuilder:
    """Collects rows, within the limits."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._rows: list[list[Cell]] = []
        self._cells = 0

    def add(self, number: int, cells: list[Cell]) -> None:
        """Add a row, unless it is empty.

        Raises
        ------
        FileError
            A limit is exceeded.
        """
        while cells and (cells[-1] is None or cells[-1] == ""):
            cells.pop()
        if not cells:
            return
        if len(cells) > MAX_COLUMNS:
            raise FileError(f"Row {number} has {len(cells)} columns; at most {MAX_COLUMNS} can be read.")
        for cell in cells:
            if isinstance(cell, str) and len(cell) > MAX_CELL_LENGTH:
                raise FileError(
                    f"Row {number} has a cell of {len(cell):,} characters; at most {MAX_CELL_LENGTH:,} "
                    "can be read."
                )
        self._numbers.append(number)
        self._rows.append(cells)
        self._cells += len(cells)
        if len(self._rows) > MAX_ROWS or self._cells > MAX_CELLS:
            raise FileError(
                f"The file has more than {MAX_ROWS:,} rows or {MAX_CELLS:,} cells. Upload it in parts, such "
                "as one for each year, or send it through the API."
            )

    def build(self) -> Table:
        """The table of all rows added."""
        return Table(self._numbers, self._rows)


def show_cell(cell: Cell) -> str:
    """A cell as a person would read it, cut if it is long.

    >>> show_cell(2.0), show_cell(None), show_cell(datetime(2025, 1, 1, 12))
    ('2', '', '2025-01-01 12:00:00')
    """
    if cell is None:
        return ""
    text = repr(cell).removesuffix(".0") if isinstance(cell, float) else str(cell)
    return text if len(text) <= 60 else text[:59] + "…"
