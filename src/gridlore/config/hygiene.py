"""Examine settings and the files of an embedded database: what puts data or secrets in danger.

Layer: config. Standard library only; reads, and changes nothing.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from gridlore.config import Settings, key_file
from gridlore.domain.findings import Finding

STRONG_SECRET = 32
"""Characters of a secret key that nobody guesses."""

FEW_CHARACTERS = 10
"""A secret key of fewer different characters was not made by chance."""

SCARCE_BYTES = 512 * 1024 * 1024
SCARCE_SHARE = 0.05
"""A disk with less room than either is nearly full."""

VOLATILE = frozenset({"tmpfs", "ramfs"})
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph"})
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
MOUNTS = Path("/proc/self/mounts")


def examine_settings(settings: Settings) -> Iterator[Finding]:
    """What is wrong with the settings, and with the files of an embedded database."""
    secret = settings.secret_key
    if len(secret) < STRONG_SECRET or len(set(secret)) < FEW_CHARACTERS:
        yield Finding(
            "secret key",
            "SECRET_KEY",
            "it can be guessed, and who does can log in as anybody",
            "make another: python3 -c 'import secrets; print(secrets.token_hex(32))' (all tokens end)",
        )
    if settings.host not in LOCAL_HOSTS and not settings.session_cookie_secure:
        yield Finding(
            "cookie",
            "SESSION_COOKIE_SECURE",
            f"it is false, and others reach {settings.host}: browsers send the cookie over plain http",
            "serve by https behind a proxy, and set it to true",
        )
    if settings.database_file is not None:
        yield from _examine_files(settings.database_file, key_file(settings.database_url))


def _examine_files(database: Path, key: Path | None) -> Iterator[Finding]:
    if key is not None and key.exists() and _others_may(key, stat.S_IRGRP | stat.S_IROTH):
        yield Finding(
            "files", str(key), "others can read the secret key, and log in as anybody", f"chmod 600 {key}"
        )
    if _others_may(database, stat.S_IROTH | stat.S_IWOTH):
        yield Finding(
            "files",
            str(database),
            "everybody on this machine can read the database, with the hashes of all passwords",
            f"chmod 640 {database}* (and keep its directory private)",
        )
    kind = file_system(database)
    if kind in VOLATILE:
        what = f"it lies on {kind}, which is gone when the machine stops"
        yield Finding("file system", str(database), what, "move it to a disk, and set DATABASE_URL")
    elif kind in REMOTE:
        what = f"it lies on {kind}, where SQLite cannot lock reliably"
        yield Finding("file system", str(database), what, "move it to a local disk, or use PostgreSQL")
    room = shutil.disk_usage(database.parent)
    if room.free < SCARCE_BYTES or room.free < SCARCE_SHARE * room.total:
        what = f"{room.free // 1024**2} MiB of {room.total // 1024**2} are free"
        yield Finding(
            "disk", str(database.parent), what, "make room, or delete old data: gridlore data retain"
        )


def _others_may(file: Path, mode: int) -> bool:
    return bool(file.stat().st_mode & mode)


def file_system(file: Path) -> str:
    """The kind of file system a file lies on; empty where the operating system does not tell."""
    if not MOUNTS.exists():
        return ""
    path = os.path.realpath(file)
    kind, longest = "", -1
    for line in MOUNTS.read_text("utf-8", "replace").splitlines():
        point = line.split()[1].replace("\\040", " ")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= longest:
            kind, longest = line.split()[2], len(point)
    return kind
