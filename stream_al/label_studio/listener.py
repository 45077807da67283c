"""What the bridge serves: the webhook of Label Studio, its metrics and its health.

    POST /webhook   Label Studio says that something has changed; needs the secret in `X-Stream-Al-Secret`
    GET /metrics    for Prometheus
    GET /livez      200 while the process runs
    GET /readyz     200 while the last look at Label Studio succeeded, else 503 with the reason

Label Studio's webhooks carry no signature, come in several shapes, and are not sent again when they are lost.
So nothing in them is read. One with the right secret makes the bridge look now instead of at the next poll,
and what it finds there is the truth. A forged one could do no more than that.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from stream_al.label_studio.project import SECRET_HEADER
from stream_al.service.http.connections import Waiting
from stream_al.service.http.server import HTTPServer, listen

if TYPE_CHECKING:
    from stream_al.label_studio.bridge import Bridge
    from stream_al.settings import Settings

__all__ = ["Served", "listening"]

log = structlog.get_logger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

MAX_BODY_BYTES = 1_000_000
TEXT = "text/plain; charset=utf-8"


class Served:
    """The routes.

    Args:
        bridge: What is woken, and whose state is shown.
        secret: What a webhook has to bring.
        body_seconds: Longest wait for the body of a webhook.
    """

    def __init__(self, bridge: Bridge, secret: str, body_seconds: float) -> None:
        self.bridge = bridge
        self._secret = secret.encode()
        self._seconds = body_seconds

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Handle one request (ASGI)."""
        if scope["type"] != "http":
            return
        route = (scope["method"], scope["path"].rstrip("/"))
        if route == ("POST", "/webhook"):
            await self._webhook(scope, receive, send)
        elif route == ("GET", "/metrics"):
            self.bridge.measure()
            await _respond(send, 200, generate_latest(self.bridge.metrics.registry), CONTENT_TYPE_LATEST)
        elif route == ("GET", "/livez"):
            await _respond(send, 200, b"alive")
        elif route == ("GET", "/readyz"):
            why = self.bridge.not_ready
            await (_respond(send, 503, why.encode()) if why else _respond(send, 200, b"ready"))
        else:
            await _respond(send, 404, b"there is /webhook, /metrics, /livez and /readyz")

    async def _webhook(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        name = SECRET_HEADER.lower().encode()
        given = next((value for header, value in scope["headers"] if header == name), b"")
        if not hmac.compare_digest(given, self._secret):
            self.bridge.metrics.webhooks.labels("refused").inc()
            await _respond(
                send, 403, f"the header {SECRET_HEADER} is not label_studio.webhook_secret".encode()
            )
            return
        try:
            async with asyncio.timeout(self._seconds):
                complete = await _read_to_the_end(receive)
        except TimeoutError:
            complete = False
        if not complete:
            await _respond(send, 413, b"the body is too large, or too slow")
            return
        self.bridge.metrics.webhooks.labels("accepted").inc()
        self.bridge.wake()
        await _respond(send, 204)


async def _read_to_the_end(receive: Receive) -> bool:
    """Read a body and drop it; whether it ended within the limit."""
    size, more = 0, True
    while more:
        event = await receive()
        if event["type"] != "http.request":
            return False
        size += len(event.get("body", b""))
        more = event.get("more_body", False)
        if size > MAX_BODY_BYTES:
            return False
    return True


async def _respond(send: Send, status: int, body: bytes = b"", kind: str = TEXT) -> None:
    headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
    if body:
        headers += [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class listening:  # noqa: N801 - it is used as a function
    """Serve the routes while a block runs.

    Args:
        settings: The settings.
        served: The routes.
    """

    def __init__(self, settings: Settings, served: Served) -> None:
        given, limits = settings.label_studio, settings.http
        waiting = Waiting(limits.header_seconds)
        config = uvicorn.Config(
            served,
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=1,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="none",
        )
        config.load()
        self._socket = listen(given.host, given.port, limits.max_connections, waiting, "label_studio.port")
        self.port: int = self._socket.getsockname()[1]
        self._server = HTTPServer(config, waiting)

    async def __aenter__(self) -> int:
        """Begin; the port."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="http")
        return self.port

    async def __aexit__(self, *ignored: object) -> None:
        """End."""
        self._server.should_exit = True
        await self._task
