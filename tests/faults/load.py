"""Clients that post on and on, remember what they were told, and compare it with what is there at the end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from tests.acceptance.conftest import Server

START = datetime(2024, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
CONNECTIONS = ["Pole 1", "Pole 2"]
LOGIN = ("ann@plug.example", "ann's password")
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PATIENCE = 10.0
"""No answer, whatever it is, may take longer than this while something is broken. [s]"""


def message(slot: int, values: list[float]) -> dict[str, object]:
    """Values for two connections, which must be stored for both or for none."""
    return {
        "type": "PostMeterDataRequest",
        "connections": CONNECTIONS,
        "values": values,
        "start": (START + slot * QUARTER).isoformat(),
        "duration": f"PT{15 * len(values)}M",
        "unit": "MW",
    }


@dataclass
class Load:
    """Posts of single values by several clients; each goes on until it is told 200, or the server is gone.

    ``sent`` and ``acknowledged`` hold values by slot, ``answers`` counts codes, ``longest`` is the longest
    that a client waited. [s]
    """

    clients: int = 4
    sent: dict[int, float] = field(default_factory=dict)
    acknowledged: dict[int, float] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    longest: float = 0.0
    _threads: list[threading.Thread] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self, *servers: Server) -> None:
        """Let the clients begin, spread over the servers, with slots nobody has used."""
        self._stopping.clear()
        first = max(self.sent, default=-1) + 1
        self._threads = [
            threading.Thread(target=self._post, args=(servers[me % len(servers)].login(*LOGIN), first + me))
            for me in range(self.clients)
        ]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int) -> None:
        """Go on until so many more values have been acknowledged."""
        target = len(self.acknowledged) + count
        deadline = time.monotonic() + 60
        while len(self.acknowledged) < target:
            assert time.monotonic() < deadline, f"the service does not come back: {self.answers}"
            assert any(thread.is_alive() for thread in self._threads), self.problems
            time.sleep(0.01)

    def stop(self) -> None:
        """Let the clients come to an end."""
        self._stopping.set()
        self.join()

    def join(self) -> None:
        """Wait until the clients have come to an end, because their server is gone."""
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client still waits for an answer"
        assert not self.problems, self.problems

    def _post(self, client: httpx.Client, slot: int) -> None:
        while not self._stopping.is_set():
            value = self.sent[slot] = 1.0 + slot % 7
            began = time.monotonic()
            try:
                answer = client.post("/api/v1_1/postMeterData", json=message(slot, [value]))
            except httpx.TransportError:
                return
            self.longest = max(self.longest, time.monotonic() - began)
            self.answers[answer.status_code] += 1
            if answer.status_code == 200:
                self.acknowledged[slot] = value
                slot += self.clients
            elif (
                answer.status_code == 503
                and answer.headers.get("Retry-After")
                and answer.json()["status"] == "SERVICE_UNAVAILABLE"
            ):
                time.sleep(0.05)  # Retry-After says more; here the next fault is awaited
            else:
                self.problems.append(f"{answer.status_code} {answer.text}")
                return

    def check(self, server: Server) -> None:
        """What was acknowledged is there, nothing is there in part, and nobody waited too long."""
        assert self.longest < PATIENCE, f"a client waited {self.longest:.1f} s"
        hours = -(-(max(self.sent) + 1) // 4)
        answer = server.login(*LOGIN).get(
            "/api/v1_1/getMeterData",
            params={
                "type": "GetMeterDataRequest",
                "connections": CONNECTIONS,
                "start": START.isoformat(),
                "duration": f"PT{hours}H",
                "unit": "MW",
            },
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body.get("connections") == CONNECTIONS, "a message is stored for both connections, or for none"
        for slot, value in enumerate(body["values"]):
            if slot in self.acknowledged:
                assert value == self.acknowledged[slot], f"slot {slot} was acknowledged, and is {value}"
            else:
                assert value in (None, self.sent.get(slot))
