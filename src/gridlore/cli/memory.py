"""Memory of a serving process: keep what has been freed for the next request.

Layer: cli.
"""

from __future__ import annotations

import ctypes
import gc
import os

MIB = 1024 * 1024

# Source: mallopt(3) of glibc, and its malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_KEPT = {_ARENA_MAX: 2, _MMAP_THRESHOLD: 16 * MIB, _TRIM_THRESHOLD: 64 * MIB}


def keep_memory() -> None:
    """Let the allocator keep up to 64 MiB of freed memory in each of two arenas.

    By default it gives arrays from 128 KiB on back to the system at once: a request that reads a year then
    takes 545 page faults, a third of its time. Other C libraries than glibc are left as they are.
    """
    mallopt = None if os.name == "nt" else getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _KEPT.items():
            mallopt(parameter, value)


def freeze_memory() -> None:
    """Take what has been made so far, and stays for ever, out of the garbage collector's rounds."""
    gc.collect()
    gc.freeze()
