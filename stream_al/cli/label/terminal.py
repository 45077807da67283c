"""Labelling in a terminal: keys in, queries on the screen, labels to the service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from rich.console import Console

from stream_al.cli.label.keyboard import Keyboard
from stream_al.cli.label.screen import draw
from stream_al.cli.label.session import HOLD_SECONDS, Given, LabelSession, Need
from stream_al.client import Client, ClientError, LeasedQuery, LeasePage, Refused
from stream_al.terminal import printable

__all__ = ["label_in_terminal"]

AHEAD = 5
EXPLAIN_SECONDS = 2.0
AS_MEANT = ("labelled", "skipped", "duplicate")
TEXTS = (Need.SEARCH, Need.NEW_CLASS, Need.SKIP_REASON, Need.COMMENT)


@dataclass
class _Desk:
    """One person's desk."""

    client: Client
    keyboard: Keyboard
    console: Console
    session: LabelSession
    pending: int
    waiting_said: bool = False

    def work(self) -> None:
        """Show queries until the person quits."""
        session, need = self.session, Need.QUERY
        queries = self.client.queries(ahead=AHEAD, wait=inf, waiting=self._wait)
        try:
            while need is not Need.END:
                need = self._step(need, queries)
        finally:
            session.release_held()
            self._send()

    def _step(self, need: Need, queries: Iterator[LeasedQuery]) -> Need:
        session = self.session
        if need is Need.QUERY:
            query = session.again()
            if query is None:
                query = next(queries, None)
            if query is None:
                self.console.print("50 queries were passed over: start again to see them", markup=False)
                return Need.END
            self.waiting_said = False
            session.influence = self._influence(query)
            need = session.show(query)
        elif need in TEXTS:
            need = session.fill_in(need, self.keyboard.line(need.value))
        else:
            key = self.keyboard.key(HOLD_SECONDS)
            if key is None:  # nobody has taken the last label back
                session.release_held()
                self._send()
                return need
            need = session.press(key)
        self._send()
        if need is Need.KEY:
            draw(self.console, session, self.pending)
        return need

    def _influence(self, query: LeasedQuery) -> dict[str, float]:
        """What each feature does for the prediction; nothing if the service does not say so in time."""
        try:
            found = self.client.explain(query, seconds=EXPLAIN_SECONDS)["features"]
        except (ClientError, KeyError):  # a query is worth labelling without it
            return {}
        return {name: value for name, value in found.items() if isinstance(value, int | float)}

    def _wait(self, page: LeasePage) -> None:
        """Say once that there is nothing to do."""
        self.session.release_held()
        self._send()
        self.pending = page.pending
        if not self.waiting_said:
            held = f" ({page.pending} are with other annotators)" if page.pending else ""
            self.console.print(
                f"no query waits for a label{held}; waiting for the next one, Ctrl-C ends", markup=False
            )
            self.waiting_said = True

    def _send(self) -> None:
        for given in self.session.to_send():
            try:
                expected = _send(self.client, given)
            except Refused as error:  # of this label alone; the others go on
                self._say(f"{given.query.id}: {error}")
                continue
            self.pending = max(0, self.pending - (not given.corrects))
            if expected not in AS_MEANT:
                self._say(f"{given.query.id}: the label is not learned ({expected})")

    def _say(self, message: str) -> None:
        """Say something at once, and beside the next query too."""
        self.session.message = message
        self.console.print(printable(message), markup=False)


def label_in_terminal(client: Client, keyboard: Keyboard, console: Console) -> None:
    """Let a person label until they quit.

    Raises:
        ClientError: The service is away, or the token has no right.
    """
    facts = client.desk()
    session = LabelSession(list(facts["classes"]), bool(facts["open_classes"]))
    desk = _Desk(client, keyboard, console, session, int(facts.get("pending") or 0))
    desk.work()
    console.print(f"{session.given} given", markup=False)


def _send(client: Client, given: Given) -> str:
    """Send a label or a skip; what is expected to become of it."""
    if given.label is None:
        return client.skip(given.query, given.skip_reason)
    if given.corrects:
        client.correct(given.query, given.label)
        return "labelled"
    return client.label(
        given.query,
        given.label,
        guess_shown=given.guess_shown,
        comment=given.comment,
        flagged=given.flagged,
    )
