"""What an operator can see of the live feed, on Prometheus' default registry."""

from prometheus_client import Counter, Gauge, Histogram

FEED_HEAD = Gauge("ordertide_feed_head", "Highest sequence this process has seen in the event feed")
FEED_SUBSCRIBERS = Gauge("ordertide_feed_subscribers", "Subscriptions reading the feed in this process")
OUTBOX_DEPTH = Gauge("ordertide_outbox_depth", "Committed events that wait to be stamped")
OUTBOX_AGE_SECONDS = Gauge(
    "ordertide_outbox_oldest_seconds", "For how long the oldest waiting event has been seen waiting"
)
STAMPED = Counter("ordertide_events_stamped_total", "Events this process moved into the feed")
STAMP_SECONDS = Histogram(
    "ordertide_stamp_seconds",
    "Time one batch took to be moved into the feed",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
PRUNED = Counter("ordertide_events_pruned_total", "Events retention removed from the feed")
RETRIES = Counter(
    "ordertide_background_retries_total", "Failures after which background work was tried again", ["part"]
)
READ = Counter("ordertide_feed_read_total", "Events handed to whoever follows the feed in this process")
STREAMS = Gauge("ordertide_live_streams", "Different subscriptions that run; equal ones share one")
EXECUTED = Counter("ordertide_live_executions_total", "Events executed for subscriptions")
DELIVERED = Counter("ordertide_live_delivered_total", "Answers handed to subscribers")
DELAY_SECONDS = Histogram(
    "ordertide_live_delay_seconds",
    "Time from when an event occurred to when the last subscriber of a live stream was handed it",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
CONFLATED = Counter(
    "ordertide_feed_conflated_total", "Values replaced by newer ones before a reader took them"
)
FELL_BEHIND = Counter(
    "ordertide_feed_fell_behind_total", "Times a follower of the feed went back to reading its table"
)
BUS_UP = Gauge(
    "ordertide_bus_connected", "Whether this process hears wake-ups of the others (1) or polls (0)"
)
WAKE_UPS = Counter("ordertide_bus_wake_ups_total", "Wake-ups this process heard")
CONNECTIONS = Gauge("ordertide_live_connections", "Open websockets and event streams")
OPERATIONS = Gauge("ordertide_live_operations", "Operations running on live connections")
CLOSED = Counter("ordertide_live_closed_total", "Live connections the server closed, by code", ["code"])
