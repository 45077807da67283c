"""Who follows a recipe, gets what it says."""

from __future__ import annotations

import asyncio
import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.broker.address import KafkaAddress
from tests.documents.recipes import (
    Recipe,
    command_line,
    environment_with,
    recipes,
    run_step,
    table,
    write_files,
)
from tests.support.processes import Server

RECIPES = {recipe.name: recipe for recipe in recipes()}
QUICK = {"Text"}  # the other simulations are long
SIMULATED = [
    pytest.param(recipe, id=recipe.name, marks=[] if recipe.name in QUICK else [pytest.mark.long])
    for recipe in recipes()
    if recipe.shown
]
TOPICS = ("samples", "queries", "labels", "examples", "control", "leases")
POINTS = 5.0  # of accuracy, by which another version of the model may differ from what the page shows
DEADLINE_SECONDS = 240.0


def simulation(recipe: Recipe) -> list[list[str]]:
    """The steps that need no broker."""
    return [words for words in recipe.steps if words[0] == "python" or "simulate" in words]


def on_the_broker(recipe: Recipe) -> list[list[str]]:
    return [words for words in recipe.steps if "simulate" not in words]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with the files of the page."""
    write_files(tmp_path)
    return tmp_path


@pytest.fixture
def application(kafka: KafkaAddress) -> list[str]:
    """Settings of an application of its own on the broker."""
    name = f"recipe-{uuid.uuid4().hex[:8]}"
    return [*kafka.settings, f"application={name}", *(f"topics.{topic}={name}.{topic}" for topic in TOPICS)]


def variables(settings: list[str]) -> dict[str, str]:
    """Settings as variables of the environment."""
    pairs = (setting.split("=", 1) for setting in settings)
    return {f"STREAM_AL_{path.upper().replace('.', '__')}": value for path, value in pairs}


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_every_recipe_says_when_what_to_set_and_run_what_one_sees_and_what_to_watch(recipe: Recipe) -> None:
    places = [recipe.text.find(f"\n**{part}.**") for part in ("When", "Set", "Run", "See", "Watch")]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("recipe", SIMULATED)
def test_a_simulation_prints_what_the_recipe_shows(recipe: Recipe, files: Path) -> None:
    """The same rows and labels. To renew the page: `python -m tests.documents.recipes`."""
    printed = accuracies("".join(run_step(words, files) for words in simulation(recipe)))
    shown = accuracies(recipe.shown)
    assert printed.keys() == shown.keys()
    for row, accuracy in printed.items():
        assert accuracy == pytest.approx(shown[row], abs=POINTS), row


def accuracies(text: str) -> dict[tuple[str, str, int], float]:
    """The rows of tables: the delay, what bought the labels and how many, to the accuracy."""
    return {row[:3]: row.accuracy for row in table(text)}


@pytest.mark.long
def test_known_cases_are_learned_before_the_first_sample(files: Path, application: list[str]) -> None:
    printed = [
        run_step(words, files, variables(application)) for words in on_the_broker(RECIPES["Rare classes"])
    ]
    assert {"fraud", "fine"} <= set(printed[-1].replace('"', " ").replace(":", " ").split()), printed[-1]


@pytest.mark.long
def test_the_table_of_a_nightly_batch_goes_in_and_comes_out(files: Path, application: list[str]) -> None:
    for words in RECIPES["From a nightly batch"].steps:
        run_step(words, files, variables(application))
    given, exported = (
        sorted((row["label"], row["features"]["reference"], row["features"]["amount"]) for row in rows)
        for rows in (lines(files / "labelled.jsonl"), lines(files / "examples.jsonl"))
    )
    assert exported == given


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.long
async def test_the_annotator_labels_every_query(files: Path, application: list[str]) -> None:
    """With the address of this test's server in place of that of the page."""
    create, serve, annotator = RECIPES["An annotator of your own"].steps
    assert serve == ["stream-al", "serve"]
    run_step(create, files, variables(application))
    server = Server([*application, "budget.share=0.5"], files, "recipe")
    samples = [{"id": f"s{n}", "features": {"amount": float(n)}} for n in range(120)]
    try:
        await server.start()
        with running([server.url if word == "http://localhost:8080" else word for word in annotator], files):
            async with httpx.AsyncClient(
                base_url=server.url, timeout=DEADLINE_SECONDS, trust_env=False
            ) as client:
                (await client.post("/v1/samples", json=samples)).raise_for_status()
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not all_is_learned(await server.status(), len(samples)):  # noqa: ASYNC110 - it is another process
                    await asyncio.sleep(0.05)
    finally:
        await server.close()


def all_is_learned(status: dict[str, Any], samples: int) -> bool:
    """At a budget of a half, and with no query left."""
    return status["examples"]["outcomes"]["learned"] > samples / 3 and not status["pending"]


@contextmanager
def running(words: list[str], directory: Path) -> Iterator[None]:
    """Let a command run meanwhile."""
    process = subprocess.Popen(command_line(words), cwd=directory, env=environment_with({}))  # noqa: S603
    try:
        yield
        assert process.poll() is None, "it ended by itself"
    finally:
        process.kill()
        process.wait()
