"""The pending queries: each as it is kept, all by id, when they expire, and ids that two of them share."""
