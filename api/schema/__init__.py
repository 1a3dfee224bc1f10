"""GraphQL types, inputs and payloads, one module per feature."""
