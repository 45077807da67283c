"""What second labels find, and what they are worth."""
