"""What a run has done for each class: its scores, and their table."""
