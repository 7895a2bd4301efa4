"""Help that teaches, and settings as they are."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from gridlore import __version__
from gridlore.cli import main
from gridlore.config import SETTINGS
from tests.cli.conftest import WORLD


def all_commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from all_commands(command, (*path, name))
        else:
            yield (*path, name)


def test_the_commands_are_those_of_the_design():
    assert {" ".join(path) for path in all_commands()} == {
        "serve", "apply", "token", "demo", "get", "settings", "db upgrade", "db check", "db compact",
        "audit", "data delete", "data retain", "backup", "restore", "doctor",
        "user list", "user set-password", "user deactivate", "user activate", "user logout",
        "user logout-everywhere", "key create", "key list", "key revoke",
        "grant give", "grant list", "grant revoke",
    }  # fmt: skip


@pytest.mark.parametrize("path", list(all_commands()), ids=" ".join)
def test_the_help_of_every_command_has_a_paragraph_and_an_example(run, path):
    help_text = run(*path, "--help").stdout
    example = help_text.partition("Example")[2]
    assert f"gridlore {' '.join(path)}" in example.replace(" \\\n    GRIDLORE_SECRET_KEY=…", "")
    assert len(help_text.partition("Example")[0]) > 100


def test_commands_are_listed_with_whole_sentences(run):
    listed = run("--help").stdout.partition("Commands:")[2].strip().splitlines()
    assert len(listed) == len(main.commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


def test_the_version_is_told(run):
    assert run("--version").stdout.strip().endswith(__version__)


def test_settings_lists_all_with_value_default_unit_meaning_and_where_it_came_from(run, monkeypatch):
    monkeypatch.setenv("GRIDLORE_MODE", "play")
    lines = run("--max-body-bytes", "1 MiB", "settings").stdout.splitlines()
    assert lines[0].split() == ["name", "value", "default", "unit", "from", "meaning"]
    listed = {line.split()[0]: line for line in lines[1:]}
    assert list(listed) == [setting.name for setting in SETTINGS]
    for setting in SETTINGS:
        assert setting.meaning in listed[setting.name]
        assert setting.unit in listed[setting.name]
    assert listed["MODE"].split()[1:7] == ["play", "live", "live", "|", "play", "environment"]
    assert listed["MAX_BODY_BYTES"].split()[1:6] == ["1", "MiB", "67108864", "bytes", "option"]
    assert listed["PORT"].split()[1:5] == ["5000", "5000", "port", "default"]


def test_settings_shows_no_secrets_and_makes_no_files(run, folder, monkeypatch):
    assert "kept in gridlore.db.key" in run("settings").stdout
    monkeypatch.setenv("GRIDLORE_DATABASE_URL", "postgresql://ann:s3cret@db.example.com/grid")
    assert "missing, but required" in run("settings").stdout
    monkeypatch.setenv("GRIDLORE_SECRET_KEY", "0123456789-very-secret")
    listed = run("settings").stdout
    assert "postgresql://ann:***@db.example.com/grid" in listed
    assert "s3cret" not in listed
    assert "0123456789" not in listed
    assert not list(folder.iterdir())


def test_what_looks_like_markup_is_printed_as_it_is(run):
    assert "http://[::1]:3000" in run("--cors-origins", "http://[::1]:3000", "settings").stdout


def test_a_wrong_setting_stops_every_command_with_exit_code_2(run):
    result = run("--port-of-call", "settings")
    assert result.exit_code == 2
    result = run("--mode", "fast", "user", "list")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: --mode: the mode is one of live, play; got 'fast'.\n"


def test_an_unknown_variable_stops_every_command_with_the_nearest_name(run, monkeypatch):
    monkeypatch.setenv("GRIDLORE_PROT", "80")
    result = run("settings")
    assert result.exit_code == 2
    assert result.stderr == "Error: GRIDLORE_PROT: there is no such setting. Did you mean GRIDLORE_PORT?\n"


def test_compacting_an_empty_world_says_that_there_was_nothing_to_do(run, folder):
    (folder / "world.toml").write_text(WORLD)
    assert run("apply", "world.toml").exit_code == 0
    result = run("db", "compact")
    assert result.exit_code == 0
    assert "0 blocks were looked at; 0 are left." in result.output
