"""What tests fetch from outside is kept in the user's cache for later runs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cache_folder", "held_cache"]


def cache_folder() -> Path:
    """The folder of the cache; it is made at the first call."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stream_al-tests"
    cache.mkdir(parents=True, exist_ok=True)
    return cache


@contextmanager
def held_cache(what: str) -> Iterator[Path]:
    """Give the folder of the cache, while no other process has it for the same purpose.

    So the workers of a run fetch each thing once, and none sees the half of one.

    Args:
        what: What is fetched.
    """
    cache = cache_folder()
    with (cache / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache
