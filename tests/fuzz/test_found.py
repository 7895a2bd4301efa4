"""What strange requests, and those who sent them, have found: each once, so that it stays mended."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from tests.fuzz.conftest import Target
from tests.fuzz.sending import Sent, Wire

MESSAGE = {
    "type": "PostMeterDataRequest",
    "connection": "Heat pump",
    "value": 1,
    "start": "2013-01-01T00:00:00Z",
    "duration": "PT15M",
    "unit": "MW",
}
H2C = (
    (b"Connection", b"Upgrade, HTTP2-Settings"),
    (b"Upgrade", b"h2c"),
    (b"HTTP2-Settings", b"AAMAAABkAAQAAP__"),
)
WEBSOCKET = ((b"Connection", b"keep-alive, upgrade"), (b"upgrade", b"websocket"))


@pytest.mark.parametrize("wish", [H2C, WEBSOCKET], ids=["HTTP/2", "WebSocket"])
def test_a_body_is_read_whatever_protocol_its_sender_would_rather_speak(
    wish: tuple[tuple[bytes, bytes], ...], target: Target, request: pytest.FixtureRequest
) -> None:
    parts = urlsplit(target.server.url)
    wire = Wire((str(parts.hostname), int(parts.port or 0)))
    request.addfinalizer(wire.close)
    token = (b"Authorization", target.world.token("vera").encode())
    body = json.dumps(MESSAGE).encode()
    for _ in range(2):
        answer, _ = wire.send(Sent(b"POST", b"/api/v1_1/postMeterData", (token, *wish), body))
        assert answer is not None
        assert answer.status_code == 200, answer.text
