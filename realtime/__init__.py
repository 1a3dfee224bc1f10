"""Live updates: wake-ups, the stamped feed, shared subscriptions and their transports."""
