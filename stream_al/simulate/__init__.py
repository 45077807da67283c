"""The simulation: the engine of the service over a recorded stream, without a broker.

- `plan` reads the options, `cases` makes the runs of a comparison from them, and `jobs` carries them out.
- `run` is one run; `buyers` and `baselines` decide in it which labels to buy. `measure` has its measures.
- `people` has the simulated annotators, and `delay` says when a label comes without them.
- `choice` chooses settings by the results, and `results` shows them.
"""
