"""The demo: the whole service on one machine, in one command, with nothing to set up.

    player --samples--> service --queries--> annotator
                           ^                     |
                           +-------labels--------+

Everything is real except the world: an embedded broker, the service as `stream-al serve` runs it, a
player that sends a recorded stream, and an annotator that looks the labels up in that recording.
Since the recording holds the truth, the demo can say what nobody can say in production: the accuracy
over all samples, and what other ways of buying labels would have given (`demo.counterfactuals`).

*Pace.* Without a rate the stream is as fast as the service, not as fast as the player: it never gets
more than a window ahead of the last decision, nor leaves labels that are due far behind. Else
everything would be decided before the first label came back, and the demo would show nothing.
"""
