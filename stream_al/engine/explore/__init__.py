"""Looking at samples: where they lie on a plane, which ones a person searches for, why they were chosen."""
