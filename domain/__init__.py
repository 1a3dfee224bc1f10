"""Pure decisions over frozen dataclasses: no I/O, no framework, time passed in."""
