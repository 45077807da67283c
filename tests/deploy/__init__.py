"""Dashboard and alerts, and their proof against a real Prometheus."""
