"""How the command line prints.

Layer: cli.
"""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console
from rich.table import Table

WIDE = 1000
"""Columns of output that goes to a file or another program, so that no line is folded."""


def console(*, stderr: bool = False) -> Console:
    """Where to print; as wide as the terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else WIDE, highlight=False, markup=False)


def print_table(table: Table) -> None:
    """Print a table without lines around it."""
    table.box = box.SIMPLE_HEAD if sys.stdout.isatty() else None
    table.pad_edge = False
    console().print(table)
