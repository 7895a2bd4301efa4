"""The benchmark suite runs, gives every row it promises, and judges as it says. No test asserts a time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from benchmarks.copy_baseline import COPY, CREATE, encode_year
from benchmarks.extent import SMALLEST
from benchmarks.growth import SMALL_BLOCKS, History
from benchmarks.load import LoadError, send_load
from benchmarks.messages import START, YEAR_SLOTS, Requests, day_posts, make_values, single_posts, year_posts
from benchmarks.reading import DAYS as READ_DAYS
from benchmarks.report import as_json, find_disagreements, find_disturbance, find_missed, format_figure
from benchmarks.rows import Row, Target, Verdict
from benchmarks.servers import Cores, Server, serve_baseline
from benchmarks.suite import STORES, Plan, Run, run_suite
from benchmarks.works import FSYNC, NAMES, WORKS

PAGE = (Path(__file__).parent.parent / "docs" / "performance.md").read_text("utf-8")
REQUESTS = Requests("a token")
AT_LEAST_HALF = Target(0.5, at_least=True)


def body(request: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(request.split(b"\r\n\r\n", 1)[1])
    return decoded


def row(*ratios: float, target: Target | None = AT_LEAST_HALF) -> Row:
    return Row("day-posts", "sqlite", "posts/s", ratios, [1.0] * len(ratios), target=target)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder outside pytest's own.

    Each start of pytest closes its folder to other users, and as root the PostgreSQL server is one.
    """
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def free_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers run where there is room: other tests run meanwhile, and figures do not matter."""
    monkeypatch.setattr(Cores, "of_this_machine", lambda: Cores(None, None))


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("free_cores")
@pytest.mark.parametrize("store", STORES)
def test_the_smallest_run_gives_every_promised_row(open_folder: Path, store: str) -> None:
    told: list[str] = []
    shown: list[Row] = []
    run = run_suite(Plan(SMALLEST, stores=[store], folder=open_folder), tell=told.append, done=shown.append)
    promised = {(name, store) for work in WORKS for name in work.rows}
    given = [(row.name, row.store) for row in run.rows]
    assert set(given) == promised | {(FSYNC, "machine")}
    assert len(given) == len(set(given))
    assert shown == list(run.rows)
    assert told
    assert all(figure > 0 for row in run.rows for figure in (*row.measured, *row.baseline))
    assert all(row.memory for row in run.rows if row.name not in {FSYNC, "bytes-per-value"})
    assert json.loads(json.dumps(as_json([run], {})))["runs"][0][0]["name"] == FSYNC
    assert not list(open_folder.iterdir()), "the databases were not removed"


def test_only_the_wanted_rows_of_the_wanted_store_are_given(tmp_path: Path) -> None:
    plan = Plan(SMALLEST, stores=["sqlite"], only=["bytes-per-value"], folder=tmp_path)
    assert not plan.needs_postgres
    run = run_suite(plan, tell=lambda _: None, done=lambda _: None)
    assert [(row.name, row.store) for row in run.rows] == [("bytes-per-value", "sqlite")]


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_explained_in_the_documents(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize(
    ("target", "reaching", "missing"),
    [(Target(0.35, at_least=True), [0.2, 0.35, 0.9], [0.2, 0.34, 0.9]),
     (Target(1.3, at_least=False), [1.0, 1.3, 9.0], [1.0, 1.31, 9.0])],
)  # fmt: skip
def test_the_median_ratio_decides(target: Target, reaching: list[float], missing: list[float]) -> None:
    assert row(*reaching, target=target).verdict is Verdict.REACHED
    assert row(*missing, target=target).verdict is Verdict.MISSED


def test_a_row_without_target_has_no_verdict() -> None:
    assert row(1.0, target=None).verdict is Verdict.NONE


def test_each_round_is_compared_with_the_round_beside_it() -> None:
    measured = Row("get-year", "sqlite", "ms", [2, 8], [1, 2])
    assert measured.ratios == [2, 4]


def test_runs_that_differ_in_a_verdict_are_told() -> None:
    good, bad = Run({}, [row(0.6)]), Run({}, [row(0.4)])
    assert find_disagreements([good, bad, good]) == ["sqlite day-posts"]
    assert find_disagreements([good, good]) == []
    assert find_missed([good, bad]) == ["sqlite day-posts"]


def test_a_busy_machine_is_told() -> None:
    assert find_disturbance([Run({"load_before": [0.3, 4.0, 4.0]}, [])]) is None
    assert "load 4.2" in str(find_disturbance([Run({"load_before": [4.2, 0.1, 0.1]}, [])]))


@pytest.mark.parametrize(
    ("make", "message_slots"), [(single_posts, 1), (day_posts, 96), (year_posts, YEAR_SLOTS)]
)
def test_no_two_posts_are_about_the_same_events(make: Callable[..., list[bytes]], message_slots: int) -> None:
    names = ["A", "B", "C", "D", "E", "F"]
    about = []
    for post in map(body, (*make(REQUESTS, names, 7, 0), *make(REQUESTS, names, 7, 7))):
        for group in post.get("groups", [post]):
            assert len(group.get("values", [group.get("value")])) == message_slots
            about.append((group["connection"], post["start"]))
    assert len(about) == len(set(about)) >= 14


def test_values_look_like_measurements_and_no_two_series_are_alike() -> None:
    series = make_values(3, 96, seed=1)
    assert all(round(value, 3) == value for values in series for value in values)
    assert len({tuple(values) for values in series}) == 3
    assert series == make_values(3, 96, seed=1)
    assert series != make_values(3, 96, seed=2)


def test_the_small_history_has_a_thousand_blocks_and_a_whole_year_to_read() -> None:
    small = History.small(250)
    assert small.blocks == SMALL_BLOCKS
    assert small.days[0] == READ_DAYS
    blocks = list(small.make(range(1, 251), source_id=1))
    assert len(blocks) == SMALL_BLOCKS
    assert sum(block.values.size for block in blocks) == small.values


def test_the_copied_rows_are_read_back_as_the_values_they_were(postgres_server: str) -> None:
    with psycopg.connect(postgres_server) as connection:
        connection.execute(CREATE.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
        with connection.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.write(encode_year(sensor_id=7, seed=3))
        found = connection.execute(
            "SELECT sensor_id, event_start, belief_time, event_value FROM one_row_per_value ORDER BY 2"
        ).fetchall()
    assert len(found) == YEAR_SLOTS
    assert found[0][:2] == (7, START)
    assert (found[0][2] - found[0][1]).total_seconds() == 900
    assert np.array_equal([value for *_, value in found], make_values(1, YEAR_SLOTS, seed=3)[0])


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Server]:
    with serve_baseline(Cores.of_this_machine(), tmp_path / "log") as server:
        yield server


def test_a_load_sends_every_request_once_and_keeps_every_answer(bare: Server) -> None:
    posts = single_posts(REQUESTS, ["A"], 50, 0)
    outcome = bare.send(posts, clients=8)
    assert sorted(outcome.numbers) == list(range(50))
    assert len(outcome.latencies) == outcome.count == 50
    assert {json.loads(answer)["status"] for answer in outcome.answers} == {"PROCESSED"}
    assert outcome.rate == 50 / outcome.seconds


def test_a_load_ends_when_its_time_is_over(bare: Server) -> None:
    outcome = bare.send(single_posts(REQUESTS, ["A"], 20_000, 0), limit=0.05)
    assert 0 < outcome.count < 20_000


def test_an_answer_that_is_no_success_ends_the_load(bare: Server) -> None:
    with pytest.raises(LoadError, match="404"):
        send_load(bare.port, [REQUESTS.get_plain("/nowhere")], clients=1)


def test_a_body_that_is_no_json_is_noticed_by_the_baseline(bare: Server) -> None:
    broken = REQUESTS.post({"value": 1}).replace(b'"value":1', b'"value":_')
    with pytest.raises(LoadError, match="500"):
        bare.send([broken], clients=1)


def test_figures_are_written_with_three_digits() -> None:
    assert [format_figure(figure) for figure in (11_523_000.0, 5451.0, 0.24344, 100.4)] == [
        "11.5 M", "5,450", "0.243", "100",
    ]  # fmt: skip
