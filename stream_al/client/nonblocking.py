"""The client for an event loop. Its methods do what those of `Client` do, and are described there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from stream_al.client.leases import Feed, Waiting, ignore
from stream_al.client.operations import Target
from stream_al.client.options import Options
from stream_al.client.responses import Expected, LeasedQuery, LeasePage, Predicted
from stream_al.client.session import Session
from stream_al.client.transport import AsyncTransport
from stream_al.messages import ClassLabel

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncClient"]

log = logging.getLogger("stream_al.client")


class AsyncClient:
    """A client of one service, over HTTP, for an event loop. The arguments are those of `Client`.

    Raises:
        Misconfigured: An argument cannot be used, or the HTTP library is not installed.

    Examples:
        >>> from tests.client.label_server import LabelServer
        >>> async def label_all() -> None:
        ...     async with AsyncClient(transport=LabelServer(queries=["q1"]).transport()) as client:
        ...         async for query in client.queries():
        ...             print(query.id, await client.label(query, "spam"))
        >>> asyncio.run(label_all())
        q1 labelled
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        **options: Unpack[Options],
    ) -> None:
        self._session = Session(url, options)
        self._operations = self._session.operations
        self._transport = AsyncTransport(self._session.connection, transport)

    @property
    def url(self) -> str:
        """The address of the service."""
        return self._session.connection.url

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give back all queries that are held, and close the connections."""
        for feed in list(self._session.feeds):
            await self._release(feed)
        await self._transport.close()

    async def predict(self, features: Mapping[str, Any]) -> Predicted:
        """Predict a class from features."""
        return await self._transport.run(self._operations.predict(features))

    async def send(self, samples: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> list[str]:
        """Send one sample or many to the stream; their ids."""
        return await self._transport.run(self._session.send(samples))

    async def label(
        self,
        query: Target,
        label: ClassLabel,
        *,
        guess_shown: bool | None = None,
        comment: str | None = None,
        flagged: bool = False,
        annotator: str | None = None,
    ) -> str:
        """Give a label to a query; what is expected to become of it."""
        more = {"guess_shown": guess_shown, "comment": comment, "flagged": flagged}
        return await self._transport.run(self._session.label(query, label, annotator=annotator, **more))

    async def skip(self, query: Target, reason: str | None = None) -> str:
        """Close a query without a label; what is expected to become of it."""
        return await self._transport.run(self._session.skip(query, reason))

    async def send_labels(self, labels: Iterable[Mapping[str, Any]]) -> list[Expected]:
        """Send many labels."""
        return await self._transport.run(self._session.send_labels(labels))

    async def correct(self, query: Target, label: ClassLabel) -> None:
        """Replace the label of a sample."""
        await self._transport.run(self._session.correct(query, label))

    async def lease(self, count: int = 1) -> LeasePage:
        """Lease queries without renewing them."""
        return await self._transport.run(self._operations.lease(count))

    async def renew(self, query: LeasedQuery) -> None:
        """Let a lease begin anew. Raises LeaseOver."""
        await self._transport.run(self._operations.renew(query.lease))

    async def release(self, query: LeasedQuery) -> None:
        """Give a query back, so that another annotator gets it."""
        await self._transport.run(self._operations.release(query.lease))

    async def queries(
        self, *, ahead: int = 10, wait: float = 0.0, waiting: Waiting = ignore
    ) -> AsyncIterator[LeasedQuery]:
        """The queries that wait for a label, the most useful first.

        Close the client, or the iterator (`contextlib.aclosing`), after a loop that is left early.
        """
        feed = self._session.feed(ahead)
        renewing = asyncio.create_task(self._renew(feed), name="leases")
        try:
            while (query := await self._transport.run(feed.next(wait, waiting))) is not None:
                yield query
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
            await self._release(feed)

    async def status(self) -> dict[str, Any]:
        """The state of the process that responds."""
        return await self._transport.run(self._operations.get("/v1/status"))

    async def desk(self) -> dict[str, Any]:
        """What a labelling desk needs to start."""
        return await self._transport.run(self._operations.get("/v1/desk"))

    async def explain(self, query: Target, *, seconds: float = 10.0) -> dict[str, Any]:
        """What each feature, and each word of a text, does for the prediction of a pending query."""
        operations = self._operations.within(seconds)
        return await self._transport.run(operations.explain(query if isinstance(query, str) else query.id))

    async def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Wait until the service does its work. Raises ClientError."""
        await self._transport.run(self._operations.wait_until_ready(seconds))

    async def _release(self, feed: Feed) -> None:
        for problem in await self._transport.run(self._session.give_back(feed)):
            log.info("%s", problem)

    async def _renew(self, feed: Feed) -> None:
        while True:
            await asyncio.sleep(feed.rest_seconds())
            for problem in await self._transport.run(feed.keep()):
                log.warning("%s", problem)
