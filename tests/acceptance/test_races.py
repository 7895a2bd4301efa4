"""Two server processes on one database, and clients that contradict each other at the same time."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx

from gridlore.config import Settings
from tests.acceptance.conftest import ServerStarter

START = datetime(2024, 1, 1, tzinfo=UTC)
ROUNDS = 30


def race(clients: list[httpx.Client]) -> list[list[httpx.Response]]:
    """In each round every client posts another value about the same events, all at once."""
    barrier = threading.Barrier(len(clients))
    answers: list[list[httpx.Response]] = [[] for _ in clients]

    def run(me: int) -> None:
        for number in range(ROUNDS):
            barrier.wait(30)
            message = {
                "type": "PostMeterDataRequest",
                "connections": ["Pole 1", "Pole 2"],
                "values": [me + 1.0] * 4,
                "start": (START + number * timedelta(hours=1)).isoformat(),
                "duration": "PT1H",
                "unit": "MW",
            }
            answers[me].append(clients[me].post("/api/v1_1/postMeterData", json=message))

    threads = [threading.Thread(target=run, args=(me,)) for me in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def read(client: httpx.Client) -> list[float]:
    answer = client.get(
        "/api/v1_1/getMeterData",
        params={
            "type": "GetMeterDataRequest",
            "connections": ["Pole 1", "Pole 2"],
            "start": START.isoformat(),
            "duration": f"PT{ROUNDS}H",
            "unit": "MW",
        },
    )
    values: list[float] = answer.json()["values"]
    return values


def test_of_clients_of_two_processes_exactly_one_wins(
    server_settings: Settings, serve: ServerStarter
) -> None:
    servers = [serve(server_settings), serve(server_settings)]
    clients = [server.login("ann@plug.example", "ann's password") for server in servers for _ in range(2)]
    answers = race(clients)
    expected = []
    for number in range(ROUNDS):
        round_answers = [answers[me][number] for me in range(len(clients))]
        statuses = Counter(answer.json()["status"] for answer in round_answers)
        assert statuses == {"PROCESSED": 1, "INVALID_REPLACEMENT": len(clients) - 1}
        winner = next(me for me, answer in enumerate(round_answers) if answer.status_code == 200)
        expected += [winner + 1.0] * 4
    assert read(clients[0]) == expected
    assert read(clients[-1]) == expected
