"""The options of a client."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

__all__ = ["Options"]


class Options(TypedDict, total=False):
    """The options of a client.

    Attributes:
        token: The token; else that of the file; else STREAM_AL_CLIENT_TOKEN or STREAM_AL_CLIENT_TOKEN_FILE.
        token_file: A file that holds the token and nothing else.
        ca_file: File of certificates (PEM) to trust instead of the system's.
        annotator: The name of the annotator, for labels and leases.
        holder: The session for which queries are leased; by default each client has one of its own. With the
            holder of an earlier one, a client goes on with the queries which that one had.
        timeout: Seconds for each request, with all its repetitions; 30 by default.
        max_bytes: The largest body to send, `http.max_body_bytes` of the service.
        max_records: The most records in a request, `http.max_records` of the service.
    """

    token: str | None
    token_file: str | Path | None
    ca_file: str | Path | None
    annotator: str | None
    holder: str | None
    timeout: float
    max_bytes: int
    max_records: int
