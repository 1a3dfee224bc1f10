"""Building blocks every feature shares: money, ids, errors, events and transitions."""
