"""The HTTP interface of one process."""
