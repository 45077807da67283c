"""Laws of the chunks that a batch is cut into."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.service.timing.clock import Clock, Pace
from stream_al.service.timing.time_slices import TimeSlices


@settings(derandomize=True, database=None, deadline=None)
@given(st.lists(st.binary(max_size=40)), st.integers(1, 5), st.integers(1, 60))
def test_a_chunk_has_at_most_its_records_and_its_bytes(
    records: list[bytes], most: int, most_bytes: int
) -> None:
    """One record at least, however large; and nothing is lost or moved."""
    slices = TimeSlices(Clock(Pace(first_chunk_records=most, chunk_bytes=most_bytes)))
    chunks = list(slices.cut(records, len))
    assert [record for chunk in chunks for record in chunk] == records
    for chunk in chunks:
        assert 1 <= len(chunk) <= most
        assert len(chunk) == 1 or sum(map(len, chunk)) <= most_bytes
    for chunk, after in pairwise(chunks):  # no chunk is smaller than it has to be
        assert len(chunk) == most or sum(map(len, (*chunk, after[0]))) > most_bytes
