"""Randomness that a replay repeats.

A draw is a hash of the seed and of what is being decided, never the next number of a generator:
a generator's numbers depend on how many were drawn before, and a service that crashes, replays and
moves partitions between processes cannot know that. Two draws for one sample differ by their
`purpose`, so that a coin for exploring says nothing about a random utility.
"""

from __future__ import annotations

from hashlib import blake2b

_UNIT = 2.0**-53  # 53 bits fill the mantissa of a float, so every draw is exact


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
    # Lone surrogates are legal in JSON strings, hence in ids, and illegal in strict UTF-8.
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * _UNIT
