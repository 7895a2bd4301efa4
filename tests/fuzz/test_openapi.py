"""The server keeps to its own OpenAPI document, whatever requests are made up from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.conftest import COUNT, SEED, Target
from tests.fuzz.sending import PATIENCE

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def make_up_requests(target: Target, judge: Callable[[Any], None]) -> int:
    """Give ``judge`` requests to every operation that the running server documents; how many those are."""
    document = httpx.get(f"{target.server.url}/schema/openapi.json", timeout=30).json()
    operations = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
    for operation in operations:

        @seed(SEED)
        @settings(
            max_examples=max(COUNT // 200, 4),
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def run(case: Any) -> None:
            judge(case)

        run()
    return len(operations)


def test_with_a_token_every_answer_is_as_the_document_says_and_nothing_rejected_is_stored(
    target: Target,
) -> None:
    headers = {"Authorization": target.world.token("vera")}
    history = [target.history()]

    def judge(case: Any) -> None:
        answer = case.call_and_validate(
            base_url=target.server.url, headers=headers, checks=CHECKS, timeout=PATIENCE
        )
        before, history[0] = history[0], target.history()
        assert answer.elapsed <= PATIENCE
        assert "Traceback" not in answer.text
        assert answer.status_code < 400 or history[0] == before, "something of a rejected message was stored"

    assert make_up_requests(target, judge) >= 13
    assert "Traceback" not in target.log.read_text()


def test_without_a_token_what_needs_one_is_refused_and_nothing_is_stored(target: Target) -> None:
    before = target.history()
    refused = []

    def judge(case: Any) -> None:
        case.headers.pop("Authorization", None)
        answer = case.call_and_validate(base_url=target.server.url, checks=CHECKS, timeout=PATIENCE)
        if answer.status_code == 401:
            refused.append(case.path)

    make_up_requests(target, judge)
    assert len(set(refused)) >= 10
    assert target.history() == before
