"""The command line, run in this process on an embedded database of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gridlore.cli import main
from gridlore.config import PREFIX

WORLD = """
[[account]]
name = "Charge Co"
roles = ["Prosumer"]
[[user]]
email = "ann@example.com"
account = "Charge Co"
password = "ann's password"
[[user]]
email = "bob@example.com"
account = "Charge Co"
roles = ["admin"]
[[sensor]]
kind = "connection"
name = "CS 1"
owner = "ann@example.com"
resolution = "PT15M"
unit = "MW"
"""

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no settings in the environment."""
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs ``gridlore`` with arguments; what it should print to whom is for the test to say."""

    def run_gridlore(*arguments: str, text: str | None = None) -> Result:
        result = CliRunner().invoke(main, arguments, input=text)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    return run_gridlore


@pytest.fixture
def world(run: Run, folder: Path) -> Path:
    """A small world, applied."""
    file = folder / "world.toml"
    file.write_text(WORLD, "utf-8")
    assert run("apply", "world.toml").exit_code == 0
    return file
