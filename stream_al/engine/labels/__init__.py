"""Labels: what a label means, what is learned from it, and how good the model is by it."""
