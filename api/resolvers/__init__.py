"""Thin fields: input to service call to payload, one module per feature."""
