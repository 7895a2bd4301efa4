"""What the figures were measured on: cores, processor, versions, and how fast the disk is at fsync."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it comes without types
import psycopg

LIBRARIES = (
    "gridlore", "litestar", "msgspec", "numpy", "orjson", "psycopg", "sqlalchemy", "uvicorn", "uvloop",
)  # fmt: skip
PAGE = bytes(4096)
POSTGRES_SETTINGS = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "max_wal_size")


def describe_machine(folder: Path) -> dict[str, object]:
    """Facts about the machine, and the disk a folder is on."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": count_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "file_system": _file_system(folder),
        "python": platform.python_version(),
        "code": _code(),
        "sqlite": sqlite3.sqlite_version,
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def count_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_postgres(server: str) -> dict[str, str]:
    """What a PostgreSQL server says of itself."""
    with psycopg.connect(server) as connection:
        rows = [connection.execute(f"SHOW {name}").fetchone() for name in POSTGRES_SETTINGS]
    return {name: str(row[0]) for name, row in zip(POSTGRES_SETTINGS, rows, strict=True) if row}


def fsync_rate(folder: Path, seconds: float) -> float:
    """How often per second 4 KiB appended to a file can be made durable, one after the other."""
    file = folder / "fsync"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        count, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < seconds:
            os.write(descriptor, PAGE)
            os.fsync(descriptor)
            count += 1
    finally:
        os.close(descriptor)
        file.unlink()
    return count / spent


def _code() -> str | None:
    """The commit that is measured, ``-dirty`` if its files were changed; None where git knows none."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _file_system(folder: Path) -> str:
    """The kind of file system; "tmpfs" would make durable rows meaningless."""
    mounted = {
        str(partition.mountpoint): str(partition.fstype) for partition in psutil.disk_partitions(all=True)
    }
    for place in (folder.resolve(), *folder.resolve().parents):
        if str(place) in mounted:
            return mounted[str(place)]
    return "unknown"
