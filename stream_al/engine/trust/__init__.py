"""Trust in labels: which are wrong, which annotators are reliable, and which samples to ask about again."""
