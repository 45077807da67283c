"""The HTTP interface of one process.

- `api` puts the routes together, and has those for samples, queries, labels and probes.
- `access` decides about a request before its body is read.
- `people` has the routes for people who label and explore, and `operators` those for operators.
- `server` has the socket, and `connections` the limits on connections.
"""
