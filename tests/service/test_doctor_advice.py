"""What the doctor advises about names of topics and about numbers in texts."""

from __future__ import annotations

from stream_al.engine.doctor.mismatch import Mismatch
from stream_al.service.broker.kafka import Kafka
from stream_al.service.broker.kafka.survey import Survey
from stream_al.service.broker.protocols import Topic
from stream_al.service.maintenance.doctor import compared_with_samples
from tests.service.examination import MIXED, examined, grave, sound
from tests.support.world import MakeWorld


async def test_a_topic_that_holds_nothing_beside_one_that_is_spelt_like_it_is_a_warning(
    kafka_world: MakeWorld,
) -> None:
    """The wrong name is created, and then waits for ever. Topics of the service itself are not meant."""
    world = await kafka_world()
    assert not [one for one in (await examined(world)).findings if one.about == "topics"]
    meant = f"{world.topics.samples}s"
    await world.client.create_topics([Topic(meant, 1, 1, {})])
    said = [one.text for one in (await examined(world)).findings if one.about == "topics"]
    assert said == [f"the broker also has {meant}: if that is your stream, correct topics.samples"]
    await world.send(world.topics.samples, sound())
    assert not [one for one in (await examined(world)).findings if one.about == "topics"]


async def test_numbers_that_auto_reads_in_texts_need_no_change_of_the_stream(kafka_world: MakeWorld) -> None:
    """A River model takes such a text for something else than a number, so it is warned about there."""

    def price(number: int) -> float | str:
        return f"1 {number * 31 % 900:03d},50 €" if number % 3 else number * 31 % 17 / 4

    world = await kafka_world("model.definition=auto")
    await world.send(world.topics.samples, sound(price=price))
    report = await examined(world)
    assert grave(report) == []
    assert any("price is a number in some records" in one.text for one in report.findings)
    river = await kafka_world(MIXED)
    await river.send(river.topics.samples, sound(price=price))
    (said,) = grave(await examined(river))
    assert "price changes its type between records (number and text, such as '1 " in said[2]


async def test_the_features_of_a_file_are_compared_wherever_its_ids_are(kafka_world: MakeWorld) -> None:
    """The settings of an import name the place of the id in the file, which the stream may not have."""
    world = await kafka_world("input.id=Number")
    await world.send(world.topics.samples, sound())
    broker = Kafka(world.settings)
    try:
        found = await compared_with_samples(
            world.settings, Survey(broker.connection), [["Betrag"], ["amount"]]
        )
    finally:
        await broker.connection.stop(5.0)
    assert found == Mismatch(2, 1, ("Betrag",), ("id", "amount", "card.visits"))
