"""Traces of requests for an OpenTelemetry collector.

Layer: web. The only module that imports OpenTelemetry, and imported only when TRACES_URL is set. A post has
the spans request → read message, ingest, commit; other requests have the first alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from gridlore import __version__
from gridlore.domain.commands import PostCommand, Receipt
from gridlore.services.callers import Caller
from gridlore.services.ingest import Ingest

P = ParamSpec("P")
T = TypeVar("T")


def send_to(url: str) -> SpanProcessor:
    """Sends spans in batches, in a thread of its own, to the collector at ``url`` (OTLP over HTTP)."""
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces"))


class Tracing:
    """Makes spans, and hands them to a processor."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(resource=Resource.create({"service.name": "gridlore"}))
        self._provider.add_span_processor(processor)
        self.tracer = self._provider.get_tracer("gridlore", __version__)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    @contextmanager
    def request(self, scope: Any) -> Iterator[None]:
        """The span of a whole request; part of the client's trace when its headers name one."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self.tracer.start_as_current_span(
            scope["method"], propagate.extract(headers), kind=SpanKind.SERVER
        ) as span:
            yield
            exchange, route = scope["gridlore"], scope.get("path_template") or "unknown"
            span.update_name(f"{scope['method']} {route}")
            span.set_attribute("http.request.method", scope["method"])
            span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", exchange.status)
            span.set_attribute("gridlore.request_id", exchange.id.decode())
            if exchange.status >= 500:
                span.set_status(Status(StatusCode.ERROR))

    def traced(self, name: str, function: Callable[P, T]) -> Callable[P, T]:
        """The function, with a span around each call."""

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            with self.tracer.start_as_current_span(name):
                return function(*args, **kwargs)

        return call

    def follow(self, ingest: Ingest) -> Ingest:
        """The same, with spans of taking messages in and of waiting for their commits."""
        return _TracedIngest(ingest, self)


class _TracedIngest(Ingest):
    def __init__(self, ingest: Ingest, tracing: Tracing) -> None:
        self._post = tracing.traced("ingest", ingest.post)
        self._tracer = tracing.tracer

    def post(
        self, caller: Caller, commands: Sequence[PostCommand], now: int, ask_again: Callable[[], Caller]
    ) -> Future[Receipt]:
        """The same; the second span ends with the commit, in whichever thread."""
        receipt = self._post(caller, commands, now, ask_again)
        span = self._tracer.start_span("commit")
        receipt.add_done_callback(lambda _: span.end())
        return receipt
