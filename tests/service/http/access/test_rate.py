"""The laws of the rate limit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.service.http.access.rate import RateLimit

rates = st.floats(0.1, 50)
gaps = st.lists(st.floats(0, 3), max_size=80)


@settings(derandomize=True, deadline=None)
@given(rate=rates, gaps=gaps)
def test_no_interval_has_more_requests_than_the_rate_and_one_full_bucket(
    rate: float, gaps: list[float]
) -> None:
    limit, now, allowed = RateLimit(rate), 0.0, []
    for gap in gaps:
        now += gap
        if limit.wait("a", now) == 0:
            allowed.append(now)
    for first, begin in enumerate(allowed):
        for last, end in enumerate(allowed[first:], first):
            assert last - first + 1 <= rate * (end - begin) + max(1.0, rate) + 1e-6


@settings(derandomize=True, deadline=None)
@given(rate=rates, gaps=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 200)), max_size=80))
def test_no_interval_costs_more_than_the_rate_and_the_larger_of_a_bucket_and_a_request(
    rate: float, gaps: list[tuple[float, int]]
) -> None:
    limit, now, allowed = RateLimit(rate), 0.0, []
    for gap, cost in gaps:
        now += gap
        if limit.wait("a", now, cost) == 0:
            allowed.append((now, cost))
    for first, (begin, _) in enumerate(allowed):
        for last, (end, _) in enumerate(allowed[first:], first):
            costs = [cost for _, cost in allowed[first : last + 1]]
            assert sum(costs) <= rate * (end - begin) + max(1.0, rate, costs[-1]) + 1e-6


@settings(derandomize=True, deadline=None)
@given(rate=rates, gaps=gaps)
def test_a_client_is_allowed_again_after_the_wait_and_not_before(rate: float, gaps: list[float]) -> None:
    limit, now = RateLimit(rate), 0.0
    for gap in gaps:
        now += gap
        if wait := limit.wait("a", now):
            assert limit.wait("a", now + wait * 0.9) > 0
            now += wait
            assert limit.wait("a", now + 1e-6) == 0


@settings(derandomize=True, deadline=None)
@given(rate=rates, gaps=gaps)
def test_a_client_at_or_below_the_rate_never_waits(rate: float, gaps: list[float]) -> None:
    limit, now = RateLimit(rate), 0.0
    for gap in gaps:
        now += gap + 1 / rate + 1e-6
        assert limit.wait("a", now) == 0


def test_clients_do_not_share_a_bucket() -> None:
    limit = RateLimit(1)
    assert limit.wait("a", 0) == 0 < limit.wait("a", 0)
    assert limit.wait("b", 0) == 0


def test_the_client_with_the_oldest_request_is_forgotten_first() -> None:
    limit = RateLimit(1, clients=3)
    for number in range(1000):
        limit.wait(f"client-{number}", 0)
        assert limit.wait("busy", 0) == pytest.approx(0 if number == 0 else 1)
        assert len(limit) <= 3
    assert limit.wait("client-999", 0) > 0, "its request was recent"
    assert limit.wait("client-0", 0) == 0
