"""Who may do what over HTTP, how often, and the record of it.

access        roles, the table of routes, callers by their bearer tokens
rate          a token bucket for each client: pure, with `now` as its argument
guard         what stands in front of every route: refuses, counts, audits
certificates  certificates and keys from files, for HTTP and for Kafka
"""
