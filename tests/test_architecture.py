"""Who may import whom: the table of ARCHITECTURE.md, held against every import statement there is.

Layer: tests. Reads the source with ``ast``; nothing of the package is imported.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "gridlore"
ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / PACKAGE

EVERYTHING = ("",)
MAY_IMPORT = {
    "domain": (),
    "wire": ("domain",),
    "store": ("domain",),
    "services": ("domain", "store.interface"),
    "config": ("domain",),
    "web": ("wire", "services", "domain"),
    "cli": ("bootstrap", "config", "services", "wire", "store.interface", "domain"),
    "bootstrap": EVERYTHING,
    "__main__": ("cli",),
    "": (),
}
"""Part of the package → parts it may import besides itself. "" is the package's own ``__init__``, which
holds the version, and which every part may import."""

ONLY_IN = {
    "litestar": ("web",),
    "starlette": ("web",),
    "sqlalchemy": ("store",),
    "alembic": ("store",),
    "psycopg": ("store",),
    "sqlite3": ("store",),
    "isodate": ("wire.iso8601",),
    "click": ("cli",),
    "opentelemetry": ("web.tracing",),
    "prometheus_client": ("web.exposition",),
    "asyncio": ("web", "cli", "bootstrap"),
}
"""Libraries → the only parts that may import them."""

PURE = ("domain",)
PURE_MAY_IMPORT = ("numpy",)
"""Pure parts import the standard library and these only, and of the standard library nothing of:"""
IMPURE = frozenset(
    "http io logging multiprocessing os pathlib random secrets shutil signal socket ssl subprocess "
    "tempfile threading time urllib uuid".split()
)

SYNCHRONOUS = ("domain", "wire", "store", "services")
"""One colour below ``web``: no coroutines here."""

MAX_LINES = 400
NAMELESS = frozenset({"base", "common", "helper", "helpers", "misc", "util", "utils"})
"""Names that say nothing: a module is called by a noun of the field."""


@dataclass(frozen=True)
class Module:
    """One source file."""

    name: str
    text: str
    is_package: bool = False

    @property
    def part(self) -> str:
        """Its place below the package, with dots; "" for the package itself."""
        return part_of(self.name)

    @property
    def file(self) -> str:
        """Where it stands in the project."""
        return f"src/{self.name.replace('.', '/')}{'/__init__' if self.is_package else ''}.py"


@dataclass(frozen=True)
class Import:
    """One imported module, as the statement at ``line`` of ``importer`` names it."""

    importer: Module
    imported: str
    line: int
    for_types_only: bool = False

    def complain(self, rule: str) -> str:
        """What is wrong, where, and by which rule."""
        return f"{self.importer.file}:{self.line} imports {self.imported}: {rule}"


def part_of(name: str) -> str:
    """A module's place below the package, with dots; "" for the package itself."""
    return name.removeprefix(PACKAGE).removeprefix(".")


def lies_in(part: str, place: str) -> bool:
    """Whether a part is a place, or below it."""
    return place == "" or part == place or part.startswith(place + ".")


def read_modules() -> dict[str, Module]:
    """Every module of the package, by name."""
    modules = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = (PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules[name] = Module(name, path.read_text(encoding="utf-8"), is_package)
    return modules


def find_imports(module: Module, known: frozenset[str] = frozenset()) -> list[Import]:
    """Every import of a module, inside functions too; ``from a import b`` is one of ``a.b`` when that is
    a module."""
    tree = ast.parse(module.text)
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    return [
        Import(module, name, node.lineno, id(node) in guarded)
        for node in ast.walk(tree)
        for name in imported_names(node, module, known)
    ]


def imported_names(node: ast.AST, module: Module, known: frozenset[str]) -> Iterator[str]:
    """The modules one statement imports; nothing for other statements."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        source = node.module or ""
        if node.level:
            climb = node.level - module.is_package
            above = module.name.split(".")[: -climb or None]
            source = ".".join([*above, source] if source else above)
        for alias in node.names:
            inner = f"{source}.{alias.name}"
            yield inner if inner in known else source


def forbidden_import(found: Import) -> str | None:
    """What is wrong with an import; None when nothing is."""
    importer = found.importer.part
    part = next(place for place in sorted(MAY_IMPORT, reverse=True) if lies_in(importer, place))
    if lies_in(found.imported, PACKAGE):
        imported = part_of(found.imported)
        allowed = (part, *MAY_IMPORT[part])
        if imported and not any(
            lies_in(imported, place) for place in allowed if place or part == "bootstrap"
        ):
            told = ", ".join(MAY_IMPORT[part]) or "nothing else of the package"
            return found.complain(f"{part or PACKAGE} may import {told}")
        return None
    library = found.imported.split(".")[0]
    if found.for_types_only and MAY_IMPORT[part] == EVERYTHING:
        return None
    if library in ONLY_IN and not any(lies_in(importer, place) for place in ONLY_IN[library]):
        return found.complain(f"only {', '.join(ONLY_IN[library])} may import {library}")
    if part in PURE:
        if library in IMPURE:
            return found.complain(f"{part} is pure; it knows no clock, no chance and no outside world")
        if library not in sys.stdlib_module_names and library not in PURE_MAY_IMPORT:
            return found.complain(
                f"{part} imports the standard library and {', '.join(PURE_MAY_IMPORT)} only"
            )
    return None


def find_cycle(edges: dict[str, set[str]]) -> list[str] | None:
    """Modules that import one another in a circle, the first one repeated at the end; None without."""
    done: set[str] = set()

    def follow(path: list[str]) -> list[str] | None:
        for imported in sorted(edges.get(path[-1], ())):
            if imported in path:
                return [*path[path.index(imported) :], imported]
            if imported not in done:
                cycle = follow([*path, imported])
                if cycle:
                    return cycle
        done.add(path[-1])
        return None

    for start in sorted(edges):
        if start not in done:
            cycle = follow([start])
            if cycle:
                return cycle
    return None


MODULES = read_modules()
NAMES = frozenset(MODULES)
IMPORTS = [found for module in MODULES.values() for found in find_imports(module, NAMES)]


def test_the_package_was_found():
    assert {"gridlore", "gridlore.domain.overlay", "gridlore.store.interface"} <= NAMES
    overlay_imports = {
        found.imported for found in IMPORTS if found.importer.name == "gridlore.domain.overlay"
    }
    assert {"numpy", "gridlore.domain.beliefs"} <= overlay_imports


def test_every_module_belongs_to_a_part_the_table_knows():
    strays = [name for name, module in MODULES.items() if module.part.split(".")[0] not in MAY_IMPORT]
    assert not strays, f"parts that the import table (ARCHITECTURE.md) does not list: {strays}"


def test_every_import_follows_the_table():
    complaints = [complaint for found in IMPORTS if (complaint := forbidden_import(found))]
    assert not complaints, "\n" + "\n".join(complaints)


def test_no_modules_import_one_another_in_a_circle():
    edges: dict[str, set[str]] = {name: set() for name in MODULES}
    for found in IMPORTS:
        if not found.for_types_only and found.imported in NAMES:
            edges[found.importer.name].add(found.imported)
    cycle = find_cycle(edges)
    assert cycle is None, f"import cycle: {' → '.join(cycle or [])}"


def test_no_coroutines_below_web():
    complaints = [
        f"{module.file}:{node.lineno} is asynchronous; {', '.join(SYNCHRONOUS)} are synchronous code"
        for module in MODULES.values()
        if any(lies_in(module.part, place) for place in SYNCHRONOUS)
        for node in ast.walk(ast.parse(module.text))
        if isinstance(node, (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await))
    ]
    assert not complaints, "\n" + "\n".join(complaints)


def test_no_module_is_longer_than_one_sitting():
    files = [file for folder in ("src", "tests", "benchmarks") for file in (ROOT / folder).rglob("*.py")]
    long = {file.name: lines for file in files if (lines := file.read_text("utf-8").count("\n")) > MAX_LINES}
    assert len(files) > len(MODULES)
    assert not long, f"modules of more than {MAX_LINES} lines: {long}"


def test_every_module_is_called_by_a_noun_of_the_field():
    nameless = [name for name in MODULES if NAMELESS & set(name.split(".")[-1].strip("_").split("_"))]
    assert not nameless, f"names that say nothing: {nameless}"


@pytest.mark.parametrize(
    ("name", "statement", "rule"),
    [
        ("domain.overlay", "import gridlore.wire.messages", "domain may import nothing else of the package"),
        ("domain.overlay", "import pandas", "domain imports the standard library and numpy only"),
        ("domain.overlay", "import time", "domain is pure"),
        ("domain.overlay", "from os.path import join", "domain is pure"),
        ("wire.messages", "from gridlore.store import interface", "wire may import domain"),
        ("wire.messages", "import isodate", "only wire.iso8601 may import isodate"),
        (
            "services.ingest",
            "from gridlore.store.sqlite import SqliteStore",
            "services may import domain, store.in",
        ),
        (
            "services.ingest",
            "def f():\n    from gridlore.web import app",
            "services may import domain, store.in",
        ),
        ("services.ingest", "import sqlalchemy.orm", "only store may import sqlalchemy"),
        ("store.sqlite", "from ..services import ingest", "store may import domain"),
        (
            "web.app",
            "from gridlore.store.interface import Store",
            "web may import wire, services, domain",
        ),
        ("web.app", "import psycopg", "only store may import psycopg"),
        ("cli.serving", "from ..web import app", "cli may import bootstrap"),
        ("cli.demo.series", "from litestar import Litestar", "only web may import litestar"),
        ("bootstrap", "from litestar import Litestar", "only web may import litestar"),
        ("bootstrap", "import sqlalchemy", "only store may import sqlalchemy"),
        ("config", "from gridlore.services import accounts", "config may import domain"),
    ],
)
def test_an_import_against_the_table_is_told_with_file_import_and_rule(name, statement, rule):
    module = Module(f"{PACKAGE}.{name}", statement, is_package=name == "cli")
    if name == "cli":
        module, rule = (
            Module(f"{PACKAGE}.cli", "from ..web import app", is_package=True),
            "cli may import boot",
        )
    [found] = find_imports(module, NAMES)
    complaint = forbidden_import(found)
    assert complaint is not None, f"{statement!r} passed in {name}"
    assert complaint.startswith(f"src/{PACKAGE}/{name.replace('.', '/')}.py:")
    assert f"imports {found.imported}: " in complaint
    assert rule in complaint


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("domain.overlay", "import numpy as np"),
        ("domain.overlay", "from gridlore.domain.beliefs import Block"),
        ("wire.iso8601", "import isodate"),
        ("services.ingest", "from gridlore.store.interface import Store"),
        ("services.ingest", "from gridlore.store import interface"),
        ("store.sqlite", "from . import schema"),
        ("web.app", "import litestar"),
        ("web.app", "from gridlore import __version__"),
        ("bootstrap", "from gridlore.store import sqlite"),
        ("cli.serving", "from gridlore.bootstrap import create_app"),
    ],
)
def test_an_import_within_the_table_is_let_through(name, statement):
    [found] = find_imports(Module(f"{PACKAGE}.{name}", statement), NAMES)
    assert forbidden_import(found) is None


@pytest.mark.parametrize(("name", "is_package"), [("gridlore.cli", True), ("gridlore.cli.serving", False)])
def test_relative_imports_are_resolved_from_modules_and_from_packages(name, is_package):
    module = Module(name, "from . import world\nfrom ..web import app", is_package)
    assert [found.imported for found in find_imports(module, NAMES)] == [
        "gridlore.cli.world",
        "gridlore.web.app",
    ]


def test_a_circle_is_found_and_told_in_order():
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"d", "b"}, "d": set()}) == ["b", "c", "b"]
    assert find_cycle({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) is None


def test_imports_for_types_only_are_known_as_such():
    text = "import os\nif TYPE_CHECKING:\n    from gridlore.web.app import App\n"
    assert [(found.imported, found.for_types_only) for found in find_imports(Module("gridlore.x", text))] == [
        ("os", False),
        ("gridlore.web.app", True),
    ]
