"""The results of runs: their measures, the settings to choose, and how both are shown."""
