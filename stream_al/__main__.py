"""The command `stream-al`, also as `python -m stream_al`."""

from __future__ import annotations

from stream_al.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
