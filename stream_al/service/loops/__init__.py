"""The loops over the topics of samples and labels, and what they hand to each other."""
