"""A stand-in for EasyPost over HTTP, which refuses what EasyPost's documentation does not describe."""
