"""The laws of caps: replicas that exchange no messages never buy more than all of them may."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.budgets.caps import UNBOUNDED, Account, Caps, hour_of

law = settings(derandomize=True, deadline=None, max_examples=100)
numbers = st.integers(0, 12) | st.integers(0, 10_000)
partition_counts = st.integers(1, 9)
accounts = st.builds(
    lambda hour, now, before: Account(hour, now, now + before),
    st.integers(0, 10**6),
    st.integers(0, 50),
    st.integers(0, 50),
)


def restarted(account: Account) -> Account:
    return Account.decode(json.loads(json.dumps(account.encode())))


@law
@given(cap=numbers, partitions=partition_counts, hour=st.integers(0, 10**6))
def test_the_allowances_add_up_to_the_cap_exactly(cap: int, partitions: int, hour: int) -> None:
    for caps in (Caps(per_hour=cap), Caps(total=cap)):
        rooms = [caps.room(Account(), hour, p, partitions)[0] for p in range(partitions)]
        assert sum(rooms) == cap
        assert max(rooms) - min(rooms) <= 1


@law
@given(cap=numbers, partitions=partition_counts, hour=st.integers(0, 10**6), partition=st.integers(0, 8))
def test_over_as_many_hours_as_partitions_each_partition_gets_the_same(
    cap: int, partitions: int, hour: int, partition: int
) -> None:
    caps, partition = Caps(per_hour=cap), partition % partitions
    hours = range(hour, hour + partitions)
    assert sum(caps.room(Account(), h, partition, partitions)[0] for h in hours) == cap


@law
@given(per_hour=st.none() | numbers, total=st.none() | numbers, partitions=partition_counts, data=st.data())
def test_the_application_never_exceeds_a_cap_in_any_hour_or_in_all(
    per_hour: int | None, total: int | None, partitions: int, data: st.DataObject
) -> None:
    """For any order of timestamps and batches, any demand and any number of restarts."""
    caps = Caps(per_hour, total)
    state = {p: Account() for p in range(partitions)}
    charged: Counter[int] = Counter()
    batch = st.tuples(st.integers(0, partitions - 1), st.integers(-1, 5), st.integers(0, 20), st.booleans())
    for partition, hour, wanted, crashes in data.draw(st.lists(batch, max_size=60)):
        room, _ = caps.room(state[partition], hour, partition, partitions)
        after = state[partition].spend(hour, min(wanted, room))
        if crashes:  # before its commit: the account is the old one, and the batch is decided again
            assert caps.room(restarted(state[partition]), hour, partition, partitions)[0] == room
            continue
        assert after.hour >= max(hour, state[partition].hour)
        charged[after.hour] += min(wanted, room)
        state[partition] = restarted(after)
    assert per_hour is None or all(count <= per_hour for count in charged.values())
    assert total is None or sum(charged.values()) <= total
    assert sum(account.bought for account in state.values()) == sum(charged.values())


@law
@given(
    per_hour=numbers,
    total=numbers,
    account=accounts,
    hour=st.integers(0, 10**6),
    partitions=partition_counts,
    partition=st.integers(0, 8),
)
def test_after_a_change_of_partitions_none_buys_more_than_its_new_allowance(
    per_hour: int, total: int, account: Account, hour: int, partitions: int, partition: int
) -> None:
    partition %= partitions
    room, _ = Caps(per_hour, total).room(account, hour, partition, partitions)
    now = account.at(hour)
    this_hour = Caps(per_hour=per_hour).room(Account(), now.hour, partition, partitions)[0]
    in_all = Caps(total=total).room(Account(), now.hour, partition, partitions)[0]
    assert room >= 0
    assert now.bought_this_hour + room <= max(now.bought_this_hour, this_hour)
    assert now.bought + room <= max(now.bought, in_all)


@law
@given(per_hour=numbers, total=numbers, before=partition_counts, more=st.integers(1, 9))
def test_new_partitions_exceed_a_cap_by_no_more_than_their_own_allowances(
    per_hour: int, total: int, before: int, more: int
) -> None:
    """In the hour of the change, and in total; an hour later the cap per hour holds again."""

    def greedy(caps: Caps, hour: int, partitions: int) -> None:
        for p in range(partitions):
            account = state.get(p, Account())
            state[p] = account.spend(hour, caps.room(account, hour, p, partitions)[0])

    state: dict[int, Account] = {}
    greedy(Caps(total=total), 7, before)
    greedy(Caps(total=total), 7, before + more)
    new = sum(Caps(total=total).room(Account(), 7, p, before + more)[0] for p in range(before, before + more))
    assert sum(account.bought for account in state.values()) == total + new

    state = {}
    greedy(Caps(per_hour=per_hour), 7, before)
    greedy(Caps(per_hour=per_hour), 7, before + more)
    assert sum(account.bought_this_hour for account in state.values()) <= 2 * per_hour
    greedy(Caps(per_hour=per_hour), 8, before + more)
    assert sum(account.bought_this_hour for account in state.values()) == per_hour


@law
@given(total=numbers, partitions=partition_counts, partition=st.integers(0, 8))
def test_more_partitions_never_raise_a_partitions_total(total: int, partitions: int, partition: int) -> None:
    partition %= partitions
    room = [Caps(total=total).room(Account(), 0, partition, p)[0] for p in (partitions, partitions + 1)]
    assert room[0] >= room[1]


@pytest.mark.parametrize(
    ("caps", "bought", "expected"),
    [
        (Caps(), 5, (UNBOUNDED, None)),
        (Caps(per_hour=9), 5, (4, "per_hour")),
        (Caps(total=9), 5, (4, "total")),
        (Caps(per_hour=8, total=9), 5, (3, "per_hour")),
        (Caps(per_hour=9, total=8), 5, (3, "total")),
        (Caps(per_hour=9, total=9), 5, (4, "total")),
        (Caps(per_hour=5, total=9), 5, (0, "per_hour")),
        (Caps(per_hour=0), 0, (0, "per_hour")),
        (Caps(total=0), 0, (0, "total")),
        (Caps(per_hour=2, total=4), 5, (0, "total")),
    ],
)
def test_the_lowest_cap_binds_and_is_named(caps: Caps, bought: int, expected: tuple[int, str | None]) -> None:
    assert caps.room(Account().spend(3, bought), 3, 0, 1) == expected


def test_an_hour_that_has_passed_is_charged_to_the_latest_one() -> None:
    """Hours never go back, so late records get no allowance of their own."""
    caps, account = Caps(per_hour=2), Account().spend(10, 2)
    assert caps.room(account, 9, 0, 1) == (0, "per_hour")
    assert account.spend(9, 1) == Account(10, 3, 3)
    assert caps.room(account, 11, 0, 1) == (2, "per_hour")
    assert account.spend(11, 0) == Account(11, 0, 2)


@pytest.mark.parametrize(
    ("timestamp_ms", "hour"), [(-1, -1), (0, 0), (3_599_999, 0), (3_600_000, 1), (1_700_000_000_000, 472_222)]
)
def test_an_hour_is_an_hour_of_the_log(timestamp_ms: int, hour: int) -> None:
    assert hour_of(timestamp_ms) == hour


def test_a_record_without_a_timestamp_is_charged_to_the_current_hour() -> None:
    """Kafka writes -1 for none."""
    assert Account().spend(hour_of(-1), 1) == Account(0, 1, 1)


JUNK = (True, None, "1", 1.0, -1, 2**63, math.nan, [1])


@pytest.mark.parametrize("member", ["hour", "bought_this_hour", "bought"])
@pytest.mark.parametrize("value", JUNK)
def test_a_damaged_account_is_refused(member: str, value: Any) -> None:
    values = {"hour": 5, "bought_this_hour": 0, "bought": 1}
    assert Account.decode(values) == Account(5, 0, 1)
    with pytest.raises(ValueError, match="not an account"):
        Account.decode({**values, member: value})
    del values[member]
    with pytest.raises(ValueError, match="not an account"):
        Account.decode(values)


@pytest.mark.parametrize(
    "junk", [None, [], "account", 7, {}, {"hour": 0, "bought_this_hour": 2, "bought": 1}]
)
def test_junk_is_no_account(junk: Any) -> None:
    with pytest.raises(ValueError, match="not an account"):
        Account.decode(junk)


@law
@given(account=accounts)
def test_an_account_survives_json_and_is_small(account: Account) -> None:
    assert restarted(account) == account
    assert len(json.dumps(Account(2**63 - 1, 2**63 - 1, 2**63 - 1).encode())) < 128


@pytest.mark.parametrize(("partition", "partitions"), [(-1, 3), (3, 3), (0, 0)])
def test_a_partition_that_does_not_exist_is_an_error(partition: int, partitions: int) -> None:
    with pytest.raises(ValueError, match="no partition"):
        Caps(per_hour=5).room(Account(), 0, partition, partitions)


def test_negative_caps_and_purchases_are_errors() -> None:
    with pytest.raises(ValueError, match="per_hour must not be negative"):
        Caps(per_hour=-1)
    with pytest.raises(ValueError, match="total must not be negative"):
        Caps(total=-1)
    with pytest.raises(ValueError, match="not negative"):
        Account().spend(0, -1)
