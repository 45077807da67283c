"""A service that gives queries to annotators, made of a dictionary: for tests of clients, without a network.

It keeps leases as `POST /v1/leases` of the service does, and takes labels at once. Its clock stands
still until a test moves it.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

__all__ = ["LabelServer", "listening", "problem", "query_record"]

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
OUTCOMES = {True: "skipped", False: "labelled"}

Reply = httpx.Response | Exception


def query_record(query_id: str, **more: Any) -> dict[str, Any]:
    """A query as it stands on the topic."""
    return {
        "id": query_id,
        "features": {"amount": 12.5, "text": f"text of {query_id}"},
        "prediction": {"label": "ham", "probabilities": {"ham": 0.6, "spam": 0.4}},
        "utility": 0.8,
        "threshold": 0.5,
        "propensity": 0.05,
        "reason": "uncertain",
        "strategy": "margin",
        "model": {"name": "model", "version": "v1", "examples": 3},
        "sampled_at": "2026-01-01T00:00:00.000Z",
        "queried_at": "2026-01-01T00:00:00.000Z",
        "expires_at": "2026-01-02T00:00:00.000Z",
        "version": f"v-{query_id}",
        **more,
    }


class LabelServer:
    """The service.

    Args:
        queries: The ids of the pending queries, the most useful first, or whole queries.
        lease_seconds: How long a lease lives.
        max_bytes: The largest body.
        max_records: The most records of a request.
        desk: What `GET /v1/desk` gives beside the length of a lease.

    Attributes:
        labels: The labels taken, in order.
        samples: The samples taken, in order.
        leases: Lease to (query, holder, moment of its end).
        seen: Method and path of every request.
        script: Replies to give in place of the next responses; an exception is raised by the transport.
        now: Seconds since the beginning.
        required: The token that a request needs; None for none.
        influence: What `GET /v1/explanations` says of the features of every query; None to know none.
        delayed: Whether a labelled query stays in the queue until `settle` is called.
    """

    def __init__(
        self,
        queries: Sequence[str | dict[str, Any]] = (),
        *,
        lease_seconds: float = 300.0,
        max_bytes: int = 1_000_000,
        max_records: int = 10_000,
        desk: dict[str, Any] | None = None,
    ) -> None:
        records = [query_record(one) if isinstance(one, str) else one for one in queries]
        self.pending: dict[str, dict[str, Any]] = {one["id"]: one for one in records}
        self.lease_seconds = lease_seconds
        self.max_bytes = max_bytes
        self.max_records = max_records
        self.desk = desk or {}
        self.labels: list[dict[str, Any]] = []
        self.samples: list[dict[str, Any]] = []
        self.corrections: list[dict[str, Any]] = []
        self.leases: dict[str, tuple[str, str, float]] = {}
        self.seen: list[str] = []
        self.bodies: list[int] = []
        self.script: deque[Reply] = deque()
        self.influence: dict[str, float] | None = None
        self.now = 0.0
        self.delayed = False
        self.required: str | None = None
        self._next_lease = 0

    def transport(self) -> httpx.MockTransport:
        """What a client sends its requests with; it serves both clients."""
        return httpx.MockTransport(self.respond)

    def respond(self, request: httpx.Request) -> httpx.Response:
        """The response to a request."""
        self.seen.append(f"{request.method} {request.url.path}")
        if self.script:
            reply = self.script.popleft()
            if isinstance(reply, Exception):
                raise reply
            return reply
        if self.required and request.headers.get("authorization") != f"Bearer {self.required}":
            return problem(401, "send a token that the service knows")
        method, path = request.method, request.url.path
        if path.startswith("/v1/leases/"):
            return self._one_lease(method, path.rpartition("/")[2])
        routes: dict[tuple[str, str], Callable[[Any], httpx.Response]] = {
            ("POST", "/v1/leases"): self._lease,
            ("POST", "/v1/labels"): self._take_labels,
            ("POST", "/v1/samples"): self._take_samples,
            ("POST", "/v1/corrections"): self._correct,
            ("POST", "/v1/predict"): self._predict,
            ("GET", "/v1/status"): lambda _: self._json({"application": "double"}),
            ("GET", "/readyz"): lambda _: httpx.Response(200, text="ready"),
            ("GET", "/v1/explanations"): lambda _: self._explain(request.url.params["id"]),
            ("GET", "/v1/desk"): lambda _: self._json({"lease_seconds": self.lease_seconds} | self.desk),
        }
        if (method, path) not in routes:
            return problem(404, f"there is no {method} {path}")
        if len(request.content) > self.max_bytes:
            return problem(413, f"the body has more than {self.max_bytes} bytes")
        return routes[method, path](json.loads(request.content or b"null"))

    def settle(self) -> None:
        """Take the labelled queries out of the queue, as the service does a little later."""
        for label in self.labels:
            self.pending.pop(label["id"], None)
        self.leases = {key: held for key, held in self.leases.items() if held[0] in self.pending}

    def _json(self, body: Any, status: int = 200) -> httpx.Response:
        return httpx.Response(status, json=body)

    def _alive(self) -> dict[str, tuple[str, str, float]]:
        return {key: held for key, held in self.leases.items() if held[2] > self.now}

    def _lease(self, asked: dict[str, Any]) -> httpx.Response:
        self.leases = self._alive()
        mine = [key for key, held in self.leases.items() if held[1] == asked["holder"]]
        taken = {held[0] for held in self.leases.values()}
        for query_id in self.pending:
            if len(mine) < asked["count"] and query_id not in taken:
                self._next_lease += 1
                key = f"lease-{self._next_lease}"
                self.leases[key] = (query_id, asked["holder"], self.now + self.lease_seconds)
                mine.append(key)
        found = [self._described(key) for key in mine[: asked["count"]]]
        free = len(self.pending.keys() - {held[0] for held in self.leases.values()})
        return self._json({"leases": found, "pending": len(self.pending), "free": free})

    def _described(self, key: str) -> dict[str, Any]:
        query_id, _, ends = self.leases[key]
        ends_at = (BEGAN + timedelta(seconds=ends)).isoformat()
        query = self.pending[query_id]
        return {
            "lease": key,
            "id": query_id,
            "expires_at": ends_at,
            "second": "second_of" in query,
            "query": query,
        }

    def _one_lease(self, method: str, key: str) -> httpx.Response:
        if key not in self._alive():
            return problem(404 if method == "DELETE" else 409, "the lease is over, or another's")
        if method == "DELETE":
            del self.leases[key]
            return httpx.Response(204)
        query_id, holder, _ = self.leases[key]
        self.leases[key] = (query_id, holder, self.now + self.lease_seconds)
        return self._json(self._described(key))

    def _take_labels(self, body: Any) -> httpx.Response:
        given = body if isinstance(body, list) else [body]
        if len(given) > self.max_records:
            return problem(422, "too many records", reason="too_many_records")
        self.bodies.append(len(given))
        self.labels += given
        if not self.delayed:
            self.settle()
        expected = [{"id": one["id"], "expected": OUTCOMES["skipped" in one]} for one in given]
        return self._json({"accepted": len(given), "labels": expected, "notes": {}}, 202)

    def _take_samples(self, body: Any) -> httpx.Response:
        if len(body) > self.max_records:
            return problem(422, "too many records", reason="too_many_records")
        self.bodies.append(len(body))
        first = len(self.samples)
        self.samples += body
        ids = [str(one.get("id", f"samples-{n}")) for n, one in enumerate(body, first)]
        return self._json({"accepted": len(body), "ids": ids}, 202)

    def _correct(self, body: Any) -> httpx.Response:
        self.corrections.append(body)
        return self._json({"accepted": 1}, 202)

    def _explain(self, query_id: str) -> httpx.Response:
        if self.influence is None or query_id not in self.pending:
            return problem(404, "no query of this id is pending")
        return self._json({"id": query_id, "examples": 3, "label": "ham", "features": self.influence})

    def _predict(self, body: Any) -> httpx.Response:
        model = {"name": "model", "version": "v1", "examples": 3}
        return self._json({"label": "ham", "probabilities": {"ham": 1.0}, "model": model, "failure": None})


@contextmanager
def listening(server: LabelServer) -> Iterator[str]:
    """Let a service listen on the loopback interface; its address."""

    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            url = f"http://localhost{self.path}"
            response = server.respond(
                httpx.Request(self.command, url, headers=dict(self.headers), content=body)
            )
            self.send_response(response.status_code)
            for name in ("content-type", "retry-after"):
                if name in response.headers:
                    self.send_header(name, response.headers[name])
            self.send_header("content-length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        do_GET = do_POST = do_PUT = do_DELETE = _respond  # noqa: N815 - the names that http.server calls

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    thread = threading.Thread(target=web.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{web.server_port}"
    finally:
        web.shutdown()
        thread.join()
        web.server_close()


def problem(status: int, detail: str, **more: Any) -> httpx.Response:
    """An error as the service writes it."""
    body = {"type": "about:blank", "title": "Problem", "status": status, "detail": detail, **more}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})
