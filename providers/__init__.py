"""The outside world behind the ports of the domain: one module per real system, and sandboxes."""
