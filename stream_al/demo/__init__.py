"""The demo: the whole service on one machine, in one command, with nothing to set up.

    player --samples--> service --queries--> annotator
                           ^                     |
                           +-------labels--------+

The service is the real one, as `stream-al serve` runs it, on an embedded broker. Two parts are simulated: a
player sends a recorded stream, and an annotator looks up the labels in that recording. The recording holds
the truth, so the demo can report what nobody knows in production: the accuracy over all samples, and what
other ways of buying labels would have given (`demo.counterfactuals`).

*Pace.* Without a rate the stream goes at the speed of the service. The player waits while it is more than a
window of samples ahead of the last decision, and while labels that were given are not learned. Otherwise
everything would be decided before the first label came back, and the model would make no difference.
"""
