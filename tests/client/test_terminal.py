"""The laws of `stream-al label`: what keys do, what is shown, and what is sent."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from rich.console import Console

from stream_al.cli.label.pipe import label_through_pipes
from stream_al.cli.label.screen import rendered
from stream_al.cli.label.session import KEYS, LabelSession, typed_class
from stream_al.cli.label.terminal import label_in_terminal
from stream_al.client import Client, NotAllowed, Unreachable
from stream_al.errors import Misconfigured
from tests.client.label_server import LabelServer, problem, query_record

DESK = {"classes": ["ham", "spam"], "open_classes": True, "pending": 3}
QUERIES = [f"q{n}" for n in range(5)]


class Keys:
    """Presses keys and types lines, one after the other. A dot is nobody pressing a key for a while."""

    def __init__(self, *keys: str) -> None:
        self._keys = list(keys)
        self.prompts: list[str] = []

    def key(self, seconds: float) -> str | None:
        found = self._keys.pop(0) if self._keys else "q"
        return None if found == "." else found

    def line(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return self._keys.pop(0)


def labelled(
    *keys: str, queries: Sequence[Any] = QUERIES, desk: dict[str, Any] = DESK
) -> tuple[LabelServer, str]:
    """Label with these keys, then q; the service, and all that was on the screen."""
    server, screen = LabelServer(queries, desk=desk), io.StringIO()
    with Client(transport=server.transport(), annotator="ada") as client:
        label_in_terminal(client, Keys(*keys), Console(file=screen, width=100))
    assert not server.leases, "what is left is given back"
    return server, screen.getvalue()


def label_record(query_id: str, label: Any, **more: Any) -> dict[str, Any]:
    return {"id": query_id, "label": label, "version": f"v-{query_id}", **more}


def sent(server: LabelServer) -> list[tuple[str, Any]]:
    return [(label["id"], label.get("label", "skipped")) for label in server.labels]


def test_number_keys_give_the_classes_beside_them() -> None:
    """Each label once, the last one too, with the annotator, and not the guess that was not shown."""
    server, _ = labelled("2", "1", "9", "x")
    assert sent(server) == [("q0", "spam"), ("q1", "ham")]
    assert server.labels[0] == label_record("q0", "spam", annotator="ada", guess_shown=False)


def test_classes_keep_their_types() -> None:
    server, screen = labelled("1", "2", "3", "4", desk={**DESK, "classes": [1, "1", True, "true"]})
    assert [label["label"] for label in server.labels] == [1, "1", True, "true"]
    assert [type(label["label"]) for label in server.labels] == [int, str, bool, str]
    assert '"1"' in screen


def test_a_skip_has_a_reason_or_none() -> None:
    server, _ = labelled("s", " blurred ", "s", "")
    assert sent(server) == [("q0", "skipped"), ("q1", "skipped")]
    assert [label.get("skip_reason") for label in server.labels] == ["blurred", None]


def test_a_flag_and_its_comment_go_with_the_next_label_alone() -> None:
    server, _ = labelled("f", "odd", "1", "1")
    assert [(label.get("flagged"), label.get("comment")) for label in server.labels] == [
        (True, "odd"),
        (None, None),
    ]


def test_a_new_class_is_given_and_then_has_a_number() -> None:
    server, _ = labelled("n", "eggs", "3", "n", "", "1")
    assert sent(server) == [("q0", "eggs"), ("q1", "eggs"), ("q2", "ham")]
    server, screen = labelled("n", desk={**DESK, "open_classes": False})
    assert "takes no other class" in screen
    assert typed_class("3", [1, 2]) == 3


def test_search_gives_the_numbers_to_the_classes_that_fit() -> None:
    many = {**DESK, "classes": [f"class {n}" for n in range(30)]}
    server, screen = labelled("/", "S 2", "2", "/", "none such", "/", "", "1", desk=many)
    assert sent(server) == [("q0", "class 20"), ("q1", "class 0")]
    assert "no class has 'none such' in its name" in screen
    assert "more: / searches" in screen


def test_the_last_label_can_be_taken_back_before_it_is_sent() -> None:
    """Its query comes again, then the one that was shown meanwhile; nothing was sent that was not meant."""
    server, screen = labelled("1", "u", "2", "1")
    assert sent(server) == [("q0", "spam"), ("q1", "ham")]
    assert not server.corrections
    assert "u takes it back" in screen


def test_a_label_that_was_sent_is_corrected() -> None:
    """Without a key for a while it is sent. Then u shows its query again, and the next class replaces it."""
    server, screen = labelled("1", ".", "u", "s", "2", "1")
    assert sent(server) == [("q0", "ham"), ("q1", "ham")]
    assert [(one["id"], one["label"]) for one in server.corrections] == [("q0", "spam")]
    assert "will be replaced" in screen
    _, screen = labelled("s", "", ".", "u", "u")
    assert "cannot be undone" in screen
    _, screen = labelled("u")
    assert "nothing to undo" in screen


def test_the_guess_is_shown_only_when_it_is_asked_for_and_then_recorded() -> None:
    server, screen = labelled("1")
    assert "guess: ham" not in screen
    server, screen = labelled("g", "1", "1")
    assert "guess: ham, 60 %" in screen
    assert [label["guess_shown"] for label in server.labels] == [True, False]


@pytest.mark.parametrize("record", [query_record("q", reason="explore"), query_record("q", second_of="p")])
def test_the_guess_is_never_shown_where_it_would_spoil_a_measurement(record: dict[str, Any]) -> None:
    server, screen = labelled("g", "1", queries=[record, "next"])
    assert "never shown" in screen
    assert "guess: ham" not in screen
    assert server.labels[0]["guess_shown"] is False


def test_nothing_in_a_query_moves_the_cursor() -> None:
    """Control characters of ids, names, values, texts, payloads and classes are shown as escapes."""
    evil = "\x1b[2J\u202e\x07[red]bold[/red]"
    record = query_record(
        f"id{evil}",
        features={f"name{evil}": f"value{evil}", "long": evil * 30},
        payload={"k": evil},
        reason=evil,
    )
    server, screen = labelled(
        "?", "/", evil, "1", queries=[record, "q"], desk={**DESK, "classes": [f"c{evil}"]}
    )
    assert not {c for c in screen if not c.isprintable()} - {"\n"}
    assert "\\x1b[2J" in screen
    assert "[red]" in screen
    assert server.labels[0]["label"] == f"c{evil}"


def test_a_query_of_any_size_fits_on_the_screen() -> None:
    features = {f"f{n}": n for n in range(5000)} | {"text": "x" * 1_000_000}
    session = LabelSession(["a"], open_classes=True)
    server = LabelServer([query_record("q", features=features, payload=["y" * 1_000_000])])
    with Client(transport=server.transport()) as client:
        session.show(client.lease(1).leases[0])
    screen = io.StringIO()
    Console(file=screen, width=100).print(rendered(session, 1))
    assert len(screen.getvalue()) < 20_000
    assert "and 4960 more" in screen.getvalue()


def test_the_features_that_do_the_most_stand_first() -> None:
    """As in the desk; without an explanation they stand as in the sample."""
    features = {f"f{n:02}": n for n in range(60)}
    server, screen = LabelServer([query_record("q", features=features)], desk=DESK), io.StringIO()
    for influence, first in (
        ({"f59": -0.5, "f07": 0.2}, ["f59", "f07", "f00"]),
        (None, ["f00", "f01", "f02"]),
    ):
        server.influence = influence
        screen.truncate(0)
        with Client(transport=server.transport()) as client:
            label_in_terminal(client, Keys("q"), Console(file=screen, width=100))
        assert re.findall(r"f\d\d", screen.getvalue())[:3] == first


def test_help_shows_every_key() -> None:
    _, screen = labelled("?")
    assert all(key in screen and meaning in screen for key, meaning in KEYS.items())


def test_a_label_that_is_refused_is_said_and_the_rest_goes_on() -> None:
    server, screen = LabelServer(QUERIES, desk=DESK), io.StringIO()

    class Refusing(Keys):
        def key(self, seconds: float) -> str | None:
            found = super().key(seconds)
            if found is None:
                server.script.append(problem(422, "no such class"))
            return found

    with Client(transport=server.transport()) as client:
        label_in_terminal(client, Refusing("1", ".", "2"), Console(file=screen, width=100))
    assert "q0: no such class" in screen.getvalue()
    assert sent(server) == [("q1", "spam")]


def test_an_empty_queue_is_said_once_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last label is sent before. When a query comes, it goes on."""
    monkeypatch.setattr("stream_al.client.leases.LOOK_SECONDS", 0.001)
    server, screen = LabelServer(["q0"], desk=DESK), io.StringIO()
    looks: list[int] = []

    def filling(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/leases" and server.labels:
            looks.append(len(server.labels))
            if len(looks) == 4:
                server.pending["late"] = query_record("late")
            if looks[-1] == 2:
                raise KeyboardInterrupt
        return server.respond(request)

    with Client(transport=httpx.MockTransport(filling)) as client, pytest.raises(KeyboardInterrupt):
        label_in_terminal(client, Keys("1", "2"), Console(file=screen, width=100))
    assert sent(server) == [("q0", "ham"), ("late", "spam")]
    assert looks == [1] * 5 + [2]
    assert screen.getvalue().count("no query waits for a label") == 2


class Interrupting(Keys):
    """Presses Ctrl-C at the end."""

    def key(self, seconds: float) -> str | None:
        if not self._keys:
            raise KeyboardInterrupt
        return super().key(seconds)


def test_ctrl_c_sends_the_last_label_and_gives_the_rest_back() -> None:
    server = LabelServer(QUERIES, desk=DESK)
    with Client(transport=server.transport()) as client, pytest.raises(KeyboardInterrupt):
        label_in_terminal(client, Interrupting("1"), Console(file=io.StringIO()))
    assert sent(server) == [("q0", "ham")]
    assert not server.leases


def test_no_right_and_no_service_are_one_sentence() -> None:
    server = LabelServer(QUERIES, desk=DESK)
    server.required = "another"
    with Client(transport=server.transport()) as client, pytest.raises(NotAllowed, match="token"):
        label_in_terminal(client, Keys(), Console(file=io.StringIO()))
    with (
        Client("http://127.0.0.1:1", timeout=0.1) as client,
        pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"),
    ):
        label_in_terminal(client, Keys(), Console(file=io.StringIO()))


def piped(
    *lines: Any, count: int = 1, queries: Sequence[Any] = QUERIES
) -> tuple[LabelServer, list[dict[str, Any]], int]:
    server, out = LabelServer(queries), io.StringIO()
    given = io.BytesIO(
        b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    )
    with Client(transport=server.transport()) as client:
        try:
            number = label_through_pipes(client, given, out, count=count, wait=False, say=lambda text: None)
        finally:
            client.close()
            assert not server.leases, "what is left is given back"
    return server, [json.loads(line) for line in out.getvalue().splitlines()], number


def test_queries_go_out_and_labels_come_in_as_json_lines() -> None:
    """A query goes out for each label, and nothing is waited for at the end of the queue."""
    lines = [{"id": one, "label": "spam", "comment": "c", "flagged": True} for one in QUERIES[:4]]
    skip = {"id": "q4", "skipped": True, "skip_reason": "odd"}
    server, out, number = piped(*lines, skip)
    assert [one["id"] for one in out] == QUERIES
    assert number == 5
    assert out[0]["features"] == {"amount": 12.5, "text": "text of q0"}
    assert out[0]["lease"]
    assert server.labels[0] == label_record("q0", "spam", comment="c", flagged=True)
    assert server.labels[4]["skip_reason"] == "odd"


def test_several_queries_may_go_out_before_labels_come_in_any_order() -> None:
    server, out, number = piped({"id": "q2", "label": 1}, b"", {"id": "q0", "label": 2}, count=3)
    assert [one["id"] for one in out] == QUERIES[:3]
    assert sent(server) == [("q2", 1), ("q0", 2)]
    assert number == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"spam", 'line 2: write {"id": ..., "label": ...}'),
        ({"label": "spam"}, "line 2: write"),
        ({"id": "q1"}, 'line 2: write either a "label"'),
        ({"id": "q1", "label": "x", "skipped": True}, "line 2: write either"),
        ({"id": "q0", "label": "x"}, "line 2: 'q0' is none of the queries"),
        (b'{"id": "q1", "label": "' + b"x" * 1_000_001 + b'"}', "line 2: write at most"),
        (b"\xff", "line 2: write"),
    ],
)
def test_a_line_that_is_no_label_is_a_sentence_with_its_number(line: Any, words: str) -> None:
    """What was read before it counts."""
    with pytest.raises(Misconfigured) as raised:
        piped({"id": "q0", "label": "spam"}, line)
    assert str(raised.value).startswith(words)


def test_pipes_wait_only_if_they_are_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_al.client.leases.LOOK_SECONDS", 0.001)
    server, said = LabelServer(), list[str]()

    def say(text: str) -> None:
        said.append(text)
        server.pending |= {"late": query_record("late"), "later": query_record("later")}

    def label(*, wait: bool) -> int:
        given = io.BytesIO(b'{"id": "late", "label": "spam"}\n')
        with Client(transport=server.transport()) as client:
            return label_through_pipes(client, given, io.StringIO(), count=1, wait=wait, say=say)

    assert (label(wait=False), said) == (0, [])
    assert (label(wait=True), len(said)) == (1, 1)
