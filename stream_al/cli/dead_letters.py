"""Commands on dead letters: list them, show one whole, repair them and send them again.

What a record holds was written by a stranger. Everything in it that is no printable character is shown as an
escape, so that no record can move the cursor of a terminal or change its title. With `--json` it is JSON.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from stream_al import settings
from stream_al.cli.broker import bar, run, say
from stream_al.cli.options import AsJson, ConfigFile, Overrides
from stream_al.errors import BadMessage, Misconfigured
from stream_al.messages import LARGEST_RECORD, decode_json, iso
from stream_al.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream_al.service.broker.dead_letters import Place
    from stream_al.service.broker.protocols import Broker
    from stream_al.service.maintenance import DeadLetter, Overview
    from stream_al.settings import Settings

__all__ = ["dlq_cli"]

SHOWN_CHARACTERS = 200  # of a value in a list
RECORD = "record."

dlq_cli = typer.Typer(help="Dead letters: records that could not be used.", no_args_is_help=True)

DeadTopic = Annotated[
    str | None,
    typer.Option(
        "--topic", help="The topic that the dead letters come from.", show_default="samples and labels"
    ),
]
Reason = Annotated[str | None, typer.Option(help="Only dead letters with this reason, such as no_id.")]


@dlq_cli.command("list")
def dlq_list(
    config: ConfigFile = None,
    overrides: Overrides = None,
    topic: DeadTopic = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=0, help="How many of the newest ones to list.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Count dead letters by topic, stage and reason, and list the newest ones.

    With --json, every dead letter is one object on a line.
    """
    from stream_al.service import maintenance  # noqa: PLC0415

    given = settings.load(config, overrides or [])
    topics = _topics(given, topic)

    async def listed(broker: Broker) -> int:
        number = 0
        with bar("reading") as progress:
            async for letter in maintenance.list_dead_letters(given, broker, topics, reason, progress):
                number += 1
                typer.echo(json.dumps(_facts(letter)))
        return number

    async def overview(broker: Broker) -> Overview:
        with bar("reading") as progress:
            return await maintenance.overview(given, broker, topics, reason, limit, progress)

    if as_json:
        say(f"{run(given, listed)} dead letters")
    else:
        _print_overview(run(given, overview))


@dlq_cli.command("show")
def dlq_show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="As `dlq list` shows it: samples.dlq-0@12.")],
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter whole: its reason, its headers, the record, and what became of it."""
    from stream_al.service import maintenance  # noqa: PLC0415

    given, place = settings.load(config, overrides or []), _place(letter)
    found = run(given, lambda broker: maintenance.show_dead_letter(given, broker, place))
    if as_json:
        typer.echo(json.dumps(_facts(found, whole=True)))
        return
    for name, text in {**_about(found), "key": _shown(found.record.key)}.items():
        typer.echo(f"{name + ':':12}{printable(text)}")
    for name, content in found.headers:
        text = f"{name}: {'null' if content is None else content.decode('utf-8', 'backslashreplace')}"
        typer.echo(f"{'header:':12}{printable(text)}")
    typer.echo("value:")
    typer.echo(_pretty(found))


@dlq_cli.command("replay")
def dlq_replay(
    config: ConfigFile = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="PATH=VALUE",
            help="Change a member of the record, such as amount=12.5, or a setting, such as "
            "limits.deadline_seconds=60. A path that begins with the name of a section of the settings is a "
            "setting. `record.` before it makes it a member of the record. Repeatable.",
        ),
    ] = None,
    topic: DeadTopic = None,
    reason: Reason = None,
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="ID", help="Only this one, as `dlq list` shows it. Repeatable."),
    ] = None,
    edit: Annotated[
        bool, typer.Option("--edit", help="Change the record in $VISUAL or $EDITOR first. Needs one --id.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back to their topic, each once; `dlq list` then shows how that ended.

    With --json, `sent_as` has the first dead letters, each with the record that was sent.
    """
    from stream_al.service import maintenance  # noqa: PLC0415
    from stream_al.service.maintenance.edits import edited  # noqa: PLC0415

    own, changes = _divided(overrides or [])
    given = settings.load(config, own)
    topics, places = _topics(given, topic), [_place(text) for text in ids or []]
    if edit and (len(places) != 1 or changes):
        raise Misconfigured("--edit: name one dead letter with --id, and leave out --set of the record")
    change: Callable[[DeadLetter], bytes | None] = lambda letter: letter.record.value  # noqa: E731
    if changes:
        change = lambda letter: edited(letter.record.value, changes)  # noqa: E731
    elif edit:
        whole = run(given, lambda broker: maintenance.show_dead_letter(given, broker, places[0]))
        text = _in_editor(whole)  # before the broker is asked again: an editor stays open for long
        change = lambda letter: text  # noqa: E731

    async def again(broker: Broker) -> maintenance.Replays:
        with bar("replaying") as progress:
            return await maintenance.replay_dead_letters(
                given, broker, topics, progress, reason=reason, places=places, edit=change
            )

    done = run(given, again)
    if as_json:
        sent_as = {str(place): str(sent) for place, sent in done.places}
        typer.echo(json.dumps({"replayed": done.number, "left_out": done.left_out, "sent_as": sent_as}))
        return
    for place, sent in done.places:
        typer.echo(f"{place} was sent as {sent}")
    if done.number > len(done.places):
        typer.echo(f"and {done.number - len(done.places):,} more")
    if done.left_out:
        say(f"{done.left_out:,} left out: their values were too large for the topic of dead letters")
    say(f"{done.number:,} records replayed; `stream-al dlq list` shows whether the service could use them")


def _topics(given: Settings, topic: str | None) -> list[str]:
    known = [given.topics.samples, given.topics.labels]
    named = None if topic is None else topic.removesuffix(given.topics.dead_letter_suffix)
    if named is not None and named not in known:
        raise Misconfigured(f"--topic: write {' or '.join(known)}, not {topic!r}")
    return known if named is None else [named]


def _place(text: str) -> Place:
    from stream_al.service.broker.dead_letters import Place  # noqa: PLC0415

    found = Place.read(text)
    if found is None:
        raise Misconfigured(
            f"write the id as `stream-al dlq list` shows it, such as samples.dlq-0@12, not {text!r}"
        )
    return found


def _divided(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """The settings, and the changes of the record, among what --set says."""
    sections = {row.path.partition(".")[0] for row in settings.describe()}
    own = [text for text in given if text.partition("=")[0].partition(".")[0] in sections]
    return own, [text.removeprefix(RECORD) for text in given if text not in own]


def _in_editor(letter: DeadLetter) -> bytes:
    """The value as the user has changed it.

    Raises:
        Misconfigured: There is no editor, it failed, or nothing was changed.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise Misconfigured(
            "--edit: set EDITOR, such as EDITOR=nano, or change the record with --set PATH=VALUE"
        )
    value = letter.record.value or b""
    before = _indented(value) or value
    with tempfile.TemporaryDirectory(prefix="stream_al-") as directory:
        file = Path(directory) / "record.json"
        file.write_bytes(before)
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)  # noqa: S603 - the user's own editor
            after = file.read_bytes()
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise Misconfigured(f"--edit: {editor!r} failed ({error}); nothing was sent") from None
    if after.strip() == before.strip():
        raise Misconfigured(
            "--edit: nothing was changed, so nothing was sent; without --edit it is sent as it is"
        )
    try:
        return msgspec.json.encode(decode_json(after, max_bytes=LARGEST_RECORD))
    except BadMessage as error:
        raise Misconfigured(f"--edit: this is not JSON ({error}); nothing was sent") from None


# --- printing --------------------------------------------------------------------------------------------


def _print_overview(found: Overview) -> None:
    if not found.kinds:
        typer.echo("no dead letters")
        return
    rows: list[tuple[str, ...]] = [
        ("TOPIC", "STAGE", "REASON", "LETTERS", "OPEN", "REPLAYED", "REFUSED AGAIN", "LAST")
    ]
    for (topic, stage, reason), kind in sorted(found.kinds.items(), key=lambda item: -item[1].letters):
        open_, waiting, used, refused = kind.states.values()
        counts = (kind.letters, open_, waiting + used + refused, refused)
        rows.append((topic, stage, reason, *(f"{count:,}" for count in counts), iso(kind.last_ms)))
    widths = [max(len(printable(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [printable(cell).ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())
    if found.newest:
        typer.echo(f"\nthe newest {len(found.newest)}:")
    for letter in found.newest:
        about = _about(letter)
        typer.echo(f"{printable(about['id'])}  {about['at']}  {about['state']}")
        typer.echo(f"    {printable(letter.reason)}: {printable(about['message'])}")
        typer.echo(f"    {printable(_shown(letter.record.value))[:SHOWN_CHARACTERS]}")
    typer.echo(
        "\nwhole: stream-al dlq show ID   again: stream-al dlq replay --id ID [--set PATH=VALUE | --edit]"
    )


def _about(letter: DeadLetter) -> dict[str, str]:
    """What there is to know of a letter besides its record."""
    facts = letter.facts
    state = {
        "OPEN": "open",
        "WAITING": "replayed, and not read by the service yet",
        "USED": "replayed, and used",
        "REFUSED": "replayed, and refused again",
    }[letter.state.name]
    if letter.sent:
        state += f", sent as {letter.sent}"
    if letter.refused:
        state += f", now {letter.refused}"
    if letter.replay_of:
        state += f" (a replay of {letter.replay_of})"
    return {
        "id": str(letter.place),
        "at": iso(letter.record.timestamp_ms),
        "state": state,
        "origin": f"{facts.get('topic')}-{facts.get('partition')}@{facts.get('offset')}",
        "stage": facts.get("stage", "unknown"),
        "reason": letter.reason,
        "message": facts.get("message", ""),
    }


def _facts(letter: DeadLetter, *, whole: bool = False) -> dict[str, Any]:
    """A letter, ready for JSON. A list holds the beginning of each value."""
    record = letter.record
    value = record.value if whole or record.value is None else record.value[: 4 * SHOWN_CHARACTERS]
    return {
        "id": str(letter.place),
        "at": iso(record.timestamp_ms),
        "state": letter.state.name.lower(),
        "replay_of": str(letter.replay_of) if letter.replay_of else None,
        **({"sent": str(letter.sent) if letter.sent else None} if whole else {}),
        **({"refused": str(letter.refused) if letter.refused else None} if whole else {}),
        **{f"origin_{fact}": text for fact, text in letter.facts.items()},
        "headers": [[name, _text(content)] for name, content in letter.headers],
        "key": _text(record.key),
        "value": _text(value),
    }


def _pretty(letter: DeadLetter) -> str:
    """The whole value for a terminal, indented if it is JSON."""
    if not letter.has_value:
        return printable(letter.facts["value"])
    value = letter.record.value
    indented = None if value is None else _indented(value)
    if indented is None:
        return printable(_shown(value))
    return "\n".join(printable(line) for line in indented.decode().split("\n"))


def _indented(value: bytes) -> bytes | None:
    try:
        found = decode_json(value, max_bytes=LARGEST_RECORD)
        return msgspec.json.format(msgspec.json.encode(found), indent=2)
    except BadMessage:
        return None


def _shown(content: bytes | None) -> str:
    return "null" if content is None else content[: 2**20].decode("utf-8", "backslashreplace")


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")
