"""What has been acknowledged is there after the power went out, and a restart needs no repair."""

import threading
from datetime import UTC, datetime, timedelta

import httpx

from gridlore.config import Settings
from tests.acceptance.conftest import ServerStarter

START = datetime(2024, 1, 1, tzinfo=UTC)
KILLS = 3
CLIENTS = 4


def post(client: httpx.Client, slot: int, value: float) -> httpx.Response:
    return client.post(
        "/api/v1_1/postMeterData",
        json={
            "type": "PostMeterDataRequest",
            "connections": ["Pole 1", "Pole 2"],
            "value": value,
            "start": (START + slot * timedelta(minutes=15)).isoformat(),
            "duration": "PT15M",
            "unit": "MW",
        },
    )


def test_kill_nine_under_load_loses_nothing_acknowledged(
    server_settings: Settings, serve: ServerStarter
) -> None:
    acknowledged: dict[int, float] = {}
    sent: dict[int, float] = {}
    for number in range(KILLS):
        server = serve(server_settings)

        def load(client: httpx.Client, first: int) -> None:
            for slot in range(first, first + 5000 * CLIENTS, CLIENTS):
                value = 1.0 + slot % 7
                sent[slot] = value
                try:
                    if post(client, slot, value).status_code == 200:
                        acknowledged[slot] = value
                except httpx.TransportError:
                    return

        first = max(sent, default=-1) + 1
        clients = [server.login("ann@plug.example", "ann's password") for _ in range(CLIENTS)]
        threads = [
            threading.Thread(target=load, args=(client, first + offset))
            for offset, client in enumerate(clients)
        ]
        before = len(acknowledged)
        for thread in threads:
            thread.start()
        while len(acknowledged) < before + 100 * (number + 1):
            threads[0].join(0.01)
        server.kill()
        for thread in threads:
            thread.join()

    client = serve(server_settings).login("ann@plug.example", "ann's password")
    hours = -(-(max(sent) + 1) // 4)
    answer = client.get(
        "/api/v1_1/getMeterData",
        params={
            "type": "GetMeterDataRequest",
            "connections": ["Pole 1", "Pole 2"],
            "start": START.isoformat(),
            "duration": f"PT{hours}H",
            "unit": "MW",
        },
    )
    assert answer.status_code == 200
    body = answer.json()
    assert body["connections"] == ["Pole 1", "Pole 2"], (
        "a message is stored for both connections, or for none"
    )
    for slot, value in enumerate(body["values"]):
        if slot in acknowledged:
            assert value == acknowledged[slot]
        else:
            assert value in (None, sent.get(slot))
    assert len(acknowledged) >= 600
