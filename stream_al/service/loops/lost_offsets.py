"""Lost offsets: a group that has decided before, and whose offsets the broker has deleted.

To begin again at the first sample would buy labels a second time, silently. The first commit of a
partition comes before its first query. So queries without any commit mean that the commits are gone.
"""

from __future__ import annotations

from stream_al.errors import StateLost
from stream_al.service.broker.protocols import Group, Reader

__all__ = ["refuse_lost_offsets"]


async def refuse_lost_offsets(application: str, samples: Group, queries: Reader) -> None:
    """Refuse to start when the group of the samples has lost its offsets.

    Args:
        application: The name of the application.
        samples: The group that reads the samples.
        queries: A reader of the topic `queries`.

    Raises:
        StateLost: There are queries, and the group has no commits.
    """
    queried = sum((await queries.end_offsets()).values())
    if queried and await samples.has_no_commits():
        raise StateLost(
            f"the group {application}.select has no offsets on {samples.topic}, but {queries.topic} holds "
            "queries. Kafka deletes the offsets of a topic that is deleted and of a group that is idle for "
            "long; and the setting `application` names the group. If the queries are those of another "
            "application, give this one topics of its own (topics.queries, .labels, .examples, .control, "
            ".leases). Otherwise choose where to continue: `stream-al offsets reset --to earliest` decides "
            "again about all that the topic holds, `--to latest` decides about new samples only"
        )
