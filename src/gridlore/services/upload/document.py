"""An uploaded file between two steps: known as text or workbook, packed to travel in a form.

Layer: services. Between choosing how to read a file and storing it, the file stays with the person who
uploaded it, packed into a field of the form: nothing of it lies on a server's disk for others to find or
for us to clear away, and it does not matter which of several servers takes the next step.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from gridlore.services.upload.delimited import decode, find_delimiter, read_table
from gridlore.services.upload.table import MAX_FILE_BYTES, MIB, Cell, FileError, Table
from gridlore.services.upload.workbook import encode_cell, is_workbook, read_workbook

MAX_UNPACKED = 64 * MIB
MAX_PACKED = 24 * MIB
"""Of a packed file, in characters."""
MAX_NAME = 200

_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A file's name, and either its text or the sheets of its workbook, by name."""

    name: str
    text: str | None
    sheets: tuple[tuple[str, Table], ...] = ()
    _read: dict[str, Table] = field(default_factory=dict, repr=False, compare=False)
    """The text's table by delimiter, the last one only: to read it takes seconds."""

    def find_delimiter(self) -> str:
        """What most likely separates the columns; of a workbook, nothing does."""
        return "" if self.text is None else find_delimiter(self.text)

    def table(self, sheet: int, delimiter: str) -> Table:
        """The table of a sheet (counted from 0), or of the text.

        Raises
        ------
        FileError
            It is empty, or cannot be read.
        """
        table = self.sheets[sheet][1] if self.text is None else self._read_text(self.text, delimiter)
        if not table.rows:
            raise FileError("The file is empty.")
        return table

    def _read_text(self, text: str, delimiter: str) -> Table:
        if delimiter not in self._read:
            self._read.clear()
            self._read[delimiter] = read_table(text, delimiter)
        return self._read[delimiter]


def read_document(name: str, data: bytes) -> Document:
    """The document that a file holds.

    Raises
    ------
    FileError
        It is none we can read.
    """
    name = name.replace("\\", "/").rsplit("/", 1)[-1][:MAX_NAME]
    if not data.strip():
        raise FileError("The file is empty.")
    if len(data) > MAX_FILE_BYTES:
        raise FileError(
            f"The file has {len(data) / MIB:.1f} MiB; at most {MAX_FILE_BYTES // MIB} MiB can be uploaded. "
            "Upload it in parts, such as one for each year, or send it through the API."
        )
    if data.startswith(_OLD_EXCEL):
        raise FileError(
            "This is an Excel workbook of the old kind (.xls), or one with a password. Save it as .xlsx, "
            "without a password, or as CSV."
        )
    if is_workbook(data):
        return Document(name, None, tuple(read_workbook(data)))
    return Document(name, decode(data))


def pack(document: Document) -> str:
    """The document as letters, digits, - and _.

    Raises
    ------
    FileError
        It is too large for that.
    """
    content = {
        "name": document.name,
        "text": document.text,
        "sheets": [
            [name, table.numbers, [[encode_cell(cell) for cell in row] for row in table.rows]]
            for name, table in document.sheets
        ],
    }
    plain = orjson.dumps(content)
    packed = base64.urlsafe_b64encode(zlib.compress(plain, 3)).decode().rstrip("=")
    if len(plain) > MAX_UNPACKED or len(packed) > MAX_PACKED:
        raise FileError("The file holds too much to be uploaded at once. Upload it in parts.")
    return packed


def unpack(packed: str) -> Document:
    """The document that was packed.

    Raises
    ------
    FileError
        It is not as it was packed.
    """
    try:
        compressed = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(compressed, MAX_UNPACKED + 1)
        if len(plain) > MAX_UNPACKED or not unpacker.eof:
            raise FileError("The file did not arrive whole. Please choose it again.")
        content = orjson.loads(plain)
        sheets = tuple(
            (str(name), Table(numbers, [[_decode_cell(cell) for cell in row] for row in rows]))
            for name, numbers, rows in content["sheets"]
        )
        return Document(content["name"], content["text"], sheets)
    except (binascii.Error, zlib.error, ValueError, TypeError, KeyError) as error:
        raise FileError("The file did not arrive whole. Please choose it again.") from error


def _decode_cell(cell: Cell | list[str]) -> Cell:
    return datetime.fromisoformat(cell[0]) if isinstance(cell, list) else cell
