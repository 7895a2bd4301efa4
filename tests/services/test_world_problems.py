"""World files: what is told about wrong ones, and that they change nothing."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridlore.domain.errors import WorldError
from tests.services.applying import SMALL, Hashes, apply

CASES: list[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("world_problems.toml").read_text("utf-8")
)["case"]


@pytest.mark.parametrize("case", CASES, ids=[case["about"] for case in CASES])
def test_every_problem_of_a_file_is_told_with_its_place_and_what_would_be_right(case, sqlite_store, hashes):
    before = sqlite_store.read_directory()
    with pytest.raises(WorldError) as caught:
        apply(sqlite_store, "# line 1\n" + case["world"], hashes)
    told = caught.value.message.splitlines()
    assert len(told) == len(case["problems"]), told
    for line, expected in zip(told, case["problems"], strict=True):
        assert expected in line
        assert line.startswith("w.toml:")
    assert sqlite_store.read_directory() == before


def test_no_password_is_ever_in_a_complaint(sqlite_store, hashes):
    for case in CASES:
        with pytest.raises(WorldError) as caught:
            apply(sqlite_store, "# line 1\n" + case["world"], hashes)
        assert "secret one" not in caught.value.message
        assert "12345678" not in caught.value.message


def test_deep_nesting_is_no_crash(sqlite_store, hashes):
    with pytest.raises(WorldError, match="this is no TOML file"):
        apply(sqlite_store, "a = " + "[" * 100_000, hashes)


KEY_LINES = [number for number, line in enumerate(SMALL.splitlines()) if "=" in line]
ODD_VALUES = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_characters="\x7f", min_codepoint=32), max_size=20),
    st.sampled_from(
        ["PT99999999999999H", "P1Y", "../UTC", "Europe", "ea1.2021-01.a:1", "fm0.1", "1:2", "é" * 201]
    ),
    st.lists(st.integers(), max_size=2),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=st.sampled_from(KEY_LINES), value=ODD_VALUES)
def test_whatever_a_field_holds_the_world_is_applied_or_its_problems_are_told(sqlite_store, line, value):
    lines = SMALL.splitlines()
    key = lines[line].partition(" = ")[0]
    written = json.dumps(value, ensure_ascii=False).replace("Infinity", "inf").replace("NaN", "nan")
    lines[line] = f"{key} = {written}"
    before = sqlite_store.read_directory()
    try:
        apply(sqlite_store, "\n".join(lines), Hashes())
    except WorldError as error:
        assert all(told.startswith("w.toml:") for told in error.message.splitlines())
        assert sqlite_store.read_directory() == before
