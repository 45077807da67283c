"""The routes for people who label."""
