"""Background work: consumers of the feed, jobs and schedules."""
