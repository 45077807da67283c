"""Bodies in JSON, read as the service reads records: by the one decoder of `stream_al.messages`.

So HTTP takes exactly the JSON that Kafka takes: no NaN, no Infinity, no half of a surrogate pair, no depth
that the decoder cannot follow. FastAPI's own decoder takes the first three, and the service would fail on
them later.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from stream_al.messages import decode_json

__all__ = ["JSONRoute"]


class _Decoded(Request):
    """A request whose body is decoded."""

    value: Any = None

    async def json(self) -> Any:
        """The body."""
        return self.value


class JSONRoute(APIRoute):
    """A route whose body is decoded as a record. Its handler raises BadMessage for what is no JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route."""
        handle = super().get_route_handler()

        async def decoded(given: Request) -> Response:
            request = _Decoded(given.scope, given.receive)
            if body := await request.body():
                request.value = decode_json(body, max_bytes=len(body))
            return await handle(request)

        return decoded if self.body_field else handle
