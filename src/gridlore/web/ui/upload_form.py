"""The form of an upload: a file, and the token of the page that sent it.

Layer: web. Read part by part. What is neither is passed over, and nothing is decoded as the client says: some
codecs take minutes for a long text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from litestar.exceptions import ClientException
from multipart import (  # type: ignore[import-untyped]  # it declares no types
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from gridlore.services.upload.table import MAX_FILE_BYTES
from gridlore.web.answers import AnyRequest, header
from gridlore.web.ui.session import FORM_TOKEN

MAX_PARTS = 20

MAX_TOKEN = 1024
"""Longest token that is looked at. [bytes]"""

_FILE = "file"


@dataclass(slots=True)
class UploadForm:
    """What a form says: ``token`` "" and ``name`` "" if it has none; of a file that is too long, enough to
    see that."""

    token: str = ""
    name: str = ""
    file: bytes = b""


@dataclass(slots=True)
class _Part:
    segment: MultipartSegment
    content: bytearray = field(default_factory=bytearray)

    def add(self, data: bytes) -> None:
        limit = MAX_FILE_BYTES + 1 if self.segment.name == _FILE else MAX_TOKEN
        self.content += data[: max(0, limit - len(self.content))]


async def read_upload_form(request: AnyRequest) -> UploadForm:
    """The form in a request's body; one of another type says nothing.

    Raises
    ------
    ClientException
        It cannot be read, or has too many parts.
    """
    kind, options = parse_options_header(header(request, b"content-type") or "")
    form = UploadForm()
    if kind != "multipart/form-data":
        return form
    part: _Part | None = None
    try:
        # Strict: no browser folds its headers, and to unfold them takes time.
        boundary = options.get("boundary", "")
        with PushMultipartParser(boundary, max_segment_count=MAX_PARTS, strict=True) as parser:
            async for chunk in request.stream():
                for event in parser.parse(chunk) if chunk and not parser.closed else ():
                    if isinstance(event, MultipartSegment):
                        part = _Part(event)
                    elif part is not None and event is not None:
                        part.add(event)
                    elif part is not None:
                        _take(form, part)
    except (MultipartError, UnicodeError) as error:
        raise ClientException(f"The form cannot be read: {error}.") from error
    return form


def _take(form: UploadForm, part: _Part) -> None:
    """Have the form say what a part of it says; the first of several counts."""
    name, filename = part.segment.name, part.segment.filename
    if name == FORM_TOKEN and not filename and not form.token:
        form.token = part.content.decode("utf-8", "replace")
    elif name == _FILE and filename and not form.name:
        form.name, form.file = filename, bytes(part.content)
