"""The results of runs as people see them: a table, learning curves, and a report of both."""
