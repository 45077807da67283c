"""The routes for people who label, watch, explore and judge labels."""
