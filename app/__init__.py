"""The front door: command line, settings, and the one place that wires every room together."""

import gc

# Before anything else is imported: that leaves several hundred thousand objects behind which never die, and
# to visit them again and again while they come takes a fifth of the time to start. Later too the collector
# need not run often, as few cycles are made per request.
gc.set_threshold(20_000, 50, 100)
