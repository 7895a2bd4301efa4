"""The secret key kept beside an embedded database, so that a first start needs no set-up.

Layer: config. Standard library only.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gridlore.config.texts import MIN_SECRET_LENGTH
from gridlore.domain.errors import SettingError


def keep_secret_key(file: Path) -> str:
    """The key in ``file``; when there is none it is made, and of two makers at once both get the same.

    Raises
    ------
    SettingError
        The file can be neither read nor made, or holds no key.
    """
    try:
        if not file.exists():
            _write_once(file, secrets.token_hex(32) + "\n")
        key = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"GRIDLORE_SECRET_KEY: none was given, and {str(file)!r} can be neither read nor made: "
            f"{error}. Give one, or let this user read and write there."
        ) from error
    if len(key) < MIN_SECRET_LENGTH:
        raise SettingError(
            f"GRIDLORE_SECRET_KEY: none was given, and the one kept in {str(file)!r} must have at least "
            f"{MIN_SECRET_LENGTH} characters; got {len(key)}. Remove that file, and a new one is made "
            "(tokens given out before end then)."
        )
    return key


def _write_once(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole at once; leave it as it is when it exists."""
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            return
    finally:
        draft.unlink()
