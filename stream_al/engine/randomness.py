"""Randomness that a replay repeats.

A draw is a hash of the seed and of what is decided, and never the next number of a generator. The numbers of
a generator depend on how many were drawn before, and a service that crashes, replays and moves partitions
between processes cannot know that. Draws for one sample differ by their `purpose`, so that the draw for
exploring is independent of a random utility.
"""

from __future__ import annotations

from hashlib import blake2b

_UNIT = 2.0**-53  # a float holds 53 bits, so every draw is exact


def uniform(seed: int, purpose: str, sample_id: str) -> float:
    """A number in [0, 1), always the same for the same arguments.

    Args:
        seed: The application's seed.
        purpose: What the number decides.
        sample_id: The sample that it is drawn for.

    >>> uniform(0, "coin", "txn-1") == uniform(0, "coin", "txn-1")
    True
    >>> uniform(0, "coin", "txn-1") == uniform(1, "coin", "txn-1")
    False
    """
    text = f"{seed}\0{purpose}\0{sample_id}"
    # JSON strings, and so ids, may hold lone surrogates, which strict UTF-8 refuses.
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * _UNIT
