"""What the desk shows of this process: its figures over the last hour, and its last samples."""
