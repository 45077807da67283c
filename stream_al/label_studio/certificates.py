"""The certificates that a server's may be signed by."""

from __future__ import annotations

import ssl
from pathlib import Path

from stream_al.errors import Misconfigured

__all__ = ["trusted"]


def trusted(file: Path | None) -> ssl.SSLContext:
    """Those of a file, or the system's.

    Raises:
        Misconfigured: The file holds none.
    """
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:  # an SSLError is one
        raise Misconfigured(
            f"label_studio.ssl_cafile: {file} holds no certificates (PEM) that can be read ({error}): name a "
            "file that does, or write null"
        ) from None
