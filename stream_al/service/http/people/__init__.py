"""The routes for people who label, watch and explore."""
