"""The front door: command line, settings, and the one place that wires every room together."""
