"""The command `labels correct`, on both brokers, and what is exported and read after it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from stream_al.datasets.rows import rows
from stream_al.errors import Misconfigured
from stream_al.service import maintenance
from stream_al.service.http.operators.changes import roll_back
from stream_al.service.maintenance import CorrectedLabel
from tests.service.corrections import agree
from tests.support.flow import quiet
from tests.support.world import MakeWorld, World


async def correct(world: World, sample_id: str, label: str) -> CorrectedLabel:
    broker = world.connect(world.settings)
    return await maintenance.correct_label(world.settings, broker, sample_id, label, "eve", quiet)


async def test_a_label_is_corrected_from_the_command_line(make_world: MakeWorld, tmp_path: Path) -> None:
    """A class gets the type that it has elsewhere. A file that was exported is read with the right labels."""
    world = await make_world()
    world.at_pace(correction_seconds=0.05)
    replica = await world.start()
    await world.ask("q1", "q2", "q3")
    await world.label("q1", 1, annotator="ann")
    await world.label("q2", 3)
    await world.until(lambda: replica.offset == 2, "they are learned")
    assert await correct(world, "q1", "3") == CorrectedLabel(1, 3, written=True)
    assert await correct(world, "q1", "3") == CorrectedLabel(3, 3, written=False)
    assert await correct(world, "q2", "7") == CorrectedLabel(3, 7, written=True)
    await agree(world, [replica])
    for wrong, words in (("q3", "has no label yet"), ("q4", "check the id")):
        with pytest.raises(Misconfigured, match=words):
            await correct(world, wrong, "3")
    for form in ("csv", "jsonl"):
        out = io.StringIO()
        broker = world.connect(world.settings)
        assert await maintenance.export_examples(world.settings, broker, out, form, quiet) == 2
        file = tmp_path / f"examples.{form}"
        file.write_text(out.getvalue(), encoding="utf-8")
        found = list(rows(file))
        assert [(row.id, row.label, row.annotator) for row in found] == [("q1", 3, "ann"), ("q2", 7, None)]
        assert all(set(row.features) == {"x", "y"} for row in found), "a fact is no feature"
    await roll_back(replica.app, 0, None)
    with pytest.raises(Misconfigured, match="restore it first"):
        await correct(world, "q1", "3")
