"""A server that is told to stop loses nothing it acknowledged, keeps nobody waiting, and ends soon."""

from __future__ import annotations

import signal
import socket
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx

from gridlore.config import Settings
from tests.acceptance.conftest import SMALL_WORLD, Server, ServerStarter
from tests.conftest import Databases

START = datetime(2024, 1, 1, tzinfo=UTC)
CLIENTS = 4
PATIENCE = 30
"""Longer than a server may take to stop, on a machine that has other things to do. [s]"""


def post(client: httpx.Client, slot: int) -> httpx.Response:
    return client.post(
        "/api/v1_1/postMeterData",
        json={
            "type": "PostMeterDataRequest",
            "connection": "Pole 1",
            "value": float(slot),
            "start": (START + slot * timedelta(minutes=15)).isoformat(),
            "duration": "PT15M",
            "unit": "MW",
        },
    )


def connect(server: Server, text: str) -> socket.socket:
    """A connection on which no more than this is sent."""
    parts = urlsplit(server.url)
    connection = socket.create_connection((str(parts.hostname), parts.port or 80), timeout=PATIENCE)
    connection.sendall(text.encode())
    return connection


def read_all(connection: socket.socket) -> str:
    """What comes until the other side hangs up."""
    with connection, connection.makefile("rb") as file:
        try:
            return file.read().decode()
        except ConnectionResetError:
            return ""


def test_what_was_acknowledged_before_the_stop_is_there_and_everybody_else_is_told(
    server_settings: Settings, serve: ServerStarter
) -> None:
    workers = 1 if server_settings.is_embedded else 2
    server = serve(server_settings, workers)
    acknowledged: set[int] = set()
    others: list[tuple[int, str | None]] = []

    def load(client: httpx.Client, first: int) -> None:
        for slot in range(first, 100_000, CLIENTS):
            try:
                answer = post(client, slot)
            except httpx.TransportError:
                return  # refused, or hung up before the request was taken
            if answer.status_code == 200:
                acknowledged.add(slot)
            else:
                others.append((answer.status_code, answer.headers.get("Retry-After")))

    idle = connect(server, "GET /api/ HTTP/1.1\r\nHost: grid\r\n\r\n")
    slow = connect(server, "GET /api/ HTTP/1.1\r\nHo")
    clients = [server.login("ann@plug.example", "ann's password") for _ in range(CLIENTS)]
    threads = [threading.Thread(target=load, args=pair) for pair in zip(clients, range(CLIENTS), strict=True)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 50:
        threads[0].join(0.01)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE) in (0, -signal.SIGTERM)
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a client was left hanging"
    assert "200 OK" in read_all(idle)
    assert read_all(slow) == ""
    assert all(code == 503 and wait for code, wait in others)

    client = serve(server_settings).login("ann@plug.example", "ann's password")
    period = f"PT{15 * (max(acknowledged) + CLIENTS + 1)}M"
    fields = {"connection": "Pole 1", "start": START.isoformat(), "duration": period, "unit": "MW"}
    values = client.get("/api/v1_1/getMeterData", params={"type": "GetMeterDataRequest", **fields}).json()[
        "values"
    ]
    assert {slot for slot in acknowledged if values[slot] != slot} == set()


def test_a_message_that_does_not_arrive_holds_nothing_up(
    sqlite_databases: Databases, serve: ServerStarter
) -> None:
    databases = sqlite_databases  # no store has a part in this
    server = serve(databases.settings(databases.create(databases.template(SMALL_WORLD))))
    sending = connect(
        server, "POST /api/requestAuthToken HTTP/1.1\r\nHost: grid\r\nContent-Length: 100\r\n\r\n{"
    )
    assert httpx.get(f"{server.url}/api/").status_code == 200  # by now that has been taken too
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE) in (0, -signal.SIGTERM)
    answer = read_all(sending)
    assert answer.startswith("HTTP/1.1 503 ")
    assert "\r\nretry-after: " in answer
    assert "The server is stopping" in answer
