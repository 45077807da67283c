"""The client that blocks: for scripts, notebooks and the terminal.

Its methods are those of `nonblocking`, and differ from them by `await` alone; a test compares both. What they
do is written once, as plans, in `client.session` and `client.operations`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from stream_al.client.leases import SHORT_SECONDS, Feed, Waiting, ignore
from stream_al.client.operations import Target
from stream_al.client.options import Options
from stream_al.client.responses import Expected, LeasedQuery, LeasePage, Predicted
from stream_al.client.session import Session
from stream_al.client.transport import Transport
from stream_al.messages import ClassLabel

if TYPE_CHECKING:
    import httpx

__all__ = ["Client"]

log = logging.getLogger("stream_al.client")


class Client:
    """A client of one service, over HTTP.

    Requests are repeated with growing pauses where that is harmless, until their deadline. `AsyncClient` has
    the same methods for an event loop.

    Args:
        url: The address; else STREAM_AL_CLIENT_URL, else http://127.0.0.1:8080.
        transport: What sends requests in place of the network, for tests.
        options: The others (`client.options.Options`): token, token_file, ca_file, annotator, holder, timeout
            and the limits of a request.

    Raises:
        Misconfigured: An argument cannot be used, or the HTTP library is not installed.

    Examples:
        Label whatever waits for a label, in three lines (against a service that the example invents):

        >>> from tests.client.label_server import LabelServer
        >>> client = Client(transport=LabelServer(queries=["q1", "q2"]).transport())
        >>> for query in client.queries():
        ...     print(query.id, client.label(query, "spam"))
        q1 labelled
        q2 labelled
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        **options: Unpack[Options],
    ) -> None:
        self._session = Session(url, options)
        self._operations = self._session.operations
        self._transport = Transport(self._session.connection, transport)

    @property
    def url(self) -> str:
        """The address of the service."""
        return self._session.connection.url

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back all queries that are held, and close the connections."""
        for feed in list(self._session.feeds):
            self._release(feed)
        self._transport.close()

    def predict(self, features: Mapping[str, Any]) -> Predicted:
        """Predict a class from features. Nothing is stored, and no label is asked for."""
        return self._transport.run(self._operations.predict(features))

    def send(self, samples: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> list[str]:
        """Send one sample or many to the stream, in the form that the settings describe; their ids.

        Give each sample a member `id`: without it, a request whose response is lost is not repeated, because
        a sample could come twice.

        Raises:
            ClientError: `accepted` says how many samples the service had accepted before.
        """
        return self._transport.run(self._session.send(samples))

    def label(
        self,
        query: Target,
        label: ClassLabel,
        *,
        guess_shown: bool | None = None,
        comment: str | None = None,
        flagged: bool = False,
        annotator: str | None = None,
    ) -> str:
        """Give a label to a query, or to the id of one.

        Args:
            query: The query.
            label: The class. Its type counts: 1 is another class than "1".
            guess_shown: Whether the annotator had seen the model's prediction.
            comment: What others should know about the label.
            flagged: Whether somebody should look at it again.
            annotator: Who gives it, if that is another one than the annotator of the client.

        Returns:
            What is expected to become of it: labelled, duplicate, conflict, expired, unsolicited or unknown.
        """
        more = {"guess_shown": guess_shown, "comment": comment, "flagged": flagged}
        return self._transport.run(self._session.label(query, label, annotator=annotator, **more))

    def skip(self, query: Target, reason: str | None = None) -> str:
        """Close a query without a label; what is expected to become of it."""
        return self._transport.run(self._session.skip(query, reason))

    def send_labels(self, labels: Iterable[Mapping[str, Any]]) -> list[Expected]:
        """Send many labels, as objects such as `{"id": "txn-1", "label": "fraud"}`.

        Raises:
            ClientError: `accepted` says how many labels the service had accepted before.
        """
        return self._transport.run(self._session.send_labels(labels))

    def correct(self, query: Target, label: ClassLabel) -> None:
        """Replace a label: one's own within `labels.correct_minutes`, any with the role admin."""
        self._transport.run(self._session.correct(query, label))

    def lease(self, count: int = 1) -> LeasePage:
        """Lease queries, and do not renew them: what this client holds already, then free ones.

        `queries` does all that; this is for programs which count the time themselves.
        """
        return self._transport.run(self._operations.lease(count))

    def renew(self, query: LeasedQuery) -> None:
        """Let a lease begin anew. Raises LeaseOver."""
        self._transport.run(self._operations.renew(query.lease))

    def release(self, query: LeasedQuery) -> None:
        """Give a query back, so that another annotator gets it."""
        self._transport.run(self._operations.release(query.lease))

    def queries(
        self, *, ahead: int = 10, wait: float = 0.0, waiting: Waiting = ignore
    ) -> Iterator[LeasedQuery]:
        """The queries that wait for a label, the most useful first. Nobody else gets them meanwhile.

        Leases are renewed in the background as long as the loop runs. Queries that got no label are given
        back when it is left. At most 50 queries can be passed over in one loop.

        Args:
            ahead: The most queries to lease ahead.
            wait: Seconds to wait for a query when there is none; `math.inf` waits forever.
            waiting: Called now and then while there is none, with what the service says.
        """
        feed = self._session.feed(ahead)
        try:
            with self._renewing(feed):
                while (query := self._transport.run(feed.next(wait, waiting))) is not None:
                    yield query
        finally:
            self._release(feed)

    def status(self) -> dict[str, Any]:
        """The state of the process that responds: loops, budget, labels and model."""
        return self._transport.run(self._operations.get("/v1/status"))

    def desk(self) -> dict[str, Any]:
        """What a labelling desk needs to start: the classes, the guidelines, the role of the token."""
        return self._transport.run(self._operations.get("/v1/desk"))

    def explain(self, query: Target, *, seconds: float = 10.0) -> dict[str, Any]:
        """What each feature, and each word of a text, does for the prediction of a pending query.

        Args:
            query: The query, or its id.
            seconds: The longest wait.

        Returns:
            `features`: name to a number from -1 to 1, the largest first; `words`: the same of each word, by
            feature; `label`: the class that is predicted; `examples`: how many the model had learned.
        """
        operations = self._operations.within(seconds)
        return self._transport.run(operations.explain(query if isinstance(query, str) else query.id))

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Wait until the service does its work. Raises ClientError, which says what it still lacks."""
        self._transport.run(self._operations.wait_until_ready(seconds))

    def _release(self, feed: Feed) -> None:
        for problem in self._transport.run(self._session.give_back(feed)):
            log.info("%s", problem)

    @contextmanager
    def _renewing(self, feed: Feed) -> Iterator[None]:
        """Renew leases in a thread of their own, because the caller may think about a query for long."""
        stop = threading.Event()
        thread = threading.Thread(target=self._renew_until, args=(feed, stop), name="leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(SHORT_SECONDS)

    def _renew_until(self, feed: Feed, stop: threading.Event) -> None:
        while not stop.wait(feed.rest_seconds()):
            for problem in self._transport.run(feed.keep()):
                log.warning("%s", problem)
