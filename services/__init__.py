"""Use cases: check access, open the transaction, load, let the domain decide, save, append events."""
