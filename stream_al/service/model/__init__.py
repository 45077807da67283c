"""The model of this replica: replay, snapshots, and the places where snapshots are stored."""
