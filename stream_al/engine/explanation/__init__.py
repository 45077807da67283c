"""What in a sample moves the model: its features, and the words of its texts."""
