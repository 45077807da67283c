"""A client for Python: what annotation scripts, notebooks and other programs need, over HTTP.

    from stream_al.client import Client

    client = Client("https://labels.example.com", token_file="token")
    for query in client.queries():
        client.label(query, decide(query.features))

`Client` blocks, `AsyncClient` does not. Both only carry out plans that open no connection themselves
(`client.exchange`): which requests an operation takes, when a request is repeated, how records are cut into
requests (`client.batches`), and which leases are held and renewed (`client.leases`). So each rule is written
once, and tested without a network.

The HTTP library comes with the extra: `pip install "stream_al[client]"`.
"""

from __future__ import annotations

from stream_al.client.blocking import Client
from stream_al.client.errors import ClientError, LeaseOver, NotAllowed, Overloaded, Refused, Unreachable
from stream_al.client.nonblocking import AsyncClient
from stream_al.client.responses import Expected, LeasedQuery, LeasePage, Predicted

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "Expected",
    "LeaseOver",
    "LeasePage",
    "LeasedQuery",
    "NotAllowed",
    "Overloaded",
    "Predicted",
    "Refused",
    "Unreachable",
]
