"""Access: whether a request may reach a route.

- `guard` decides, in the order of its steps, before the body is read.
- `roles` says which route needs which role, and which token has it (`tokens_file`).
- `browsers` says which requests may come from a foreign web page.
- `rate` limits how many requests a client may send.
"""
