"""The README says what the code does."""

from __future__ import annotations

import shlex
from pathlib import Path

import httpx

from stream_al.engine.labels.lifecycle import diagram
from stream_al.service.http.api import api
from stream_al.settings import table
from tests.faults.table import markdown
from tests.support.world import MakeWorld

README = Path(__file__).parents[1] / "README.md"


def between(name: str) -> str:
    """What the README holds between the two markers of a name."""
    text = README.read_text(encoding="utf-8")
    return text.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0].strip()


def test_the_readme_carries_the_table_of_settings() -> None:
    """To renew it: print `stream_al.settings.table()` between the two markers."""
    assert between("settings") == table()


def test_the_readme_carries_the_life_of_a_query() -> None:
    """To renew it: print `engine.labels.lifecycle.diagram()` in a `mermaid` block between the two markers."""
    assert between("life") == f"```mermaid\n{diagram()}\n```"


def change_commands() -> list[list[str]]:
    """The commands that change a running service, as a shell splits them."""
    block = between("change").removeprefix("```sh\n").removesuffix("```")
    return [shlex.split(line, comments=True) for line in block.splitlines()]


async def test_the_commands_that_change_a_running_service_do_so(memory_world: MakeWorld) -> None:
    """On one that has no tokens, as the reader's has none yet; what curl makes of them is done here."""
    world = await memory_world()
    replica = await world.start()
    await world.settle([s["id"] for s in await world.samples(60)])
    end, answers = replica.offset, []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api(replica.app))) as client:
        for program, *arguments in change_commands():
            assert program == "curl"
            *options, url = arguments
            given = dict(zip(options[::2], options[1::2], strict=True))
            body = given.pop("--json", None)
            method = given.pop("-X", "GET" if body is None else "POST")
            assert not given
            headers = {"Content-Type": "application/json"}
            answer = await client.request(method, url, content=body, headers=headers)
            answers.append(answer.raise_for_status().json())
    changed, back, shown, model, dry, done, restored = answers
    assert (changed["budget"]["share"], changed["budget"]["pending"]) == (0.1, 500)
    assert back["changed"] == {"budget": {"pending": 500}}
    assert shown == back
    assert (model["offset"], model["voided"]) == (end, [])
    assert dry["examples"] == done["examples"] == end - 7
    assert restored["examples"] == 2
    assert replica.app.local_model.excluded.ranges == ((9, end),)


def test_the_readme_carries_the_table_of_faults() -> None:
    """To renew it: print `tests.faults.table.markdown()` between the two markers."""
    assert between("faults") == markdown().strip()
