"""Time: the clock, deadlines, waits between tries, and time slices on the event loop."""
