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
DELIVERED = Counter("ordertide_feed_delivered_total", "Events handed to subscriptions")
CONFLATED = Counter(
    "ordertide_feed_conflated_total", "Values replaced by newer ones before a reader took them"
)
SLOW_CONSUMERS = Counter(
    "ordertide_feed_slow_consumers_total", "Readers told to resume, having fallen behind"
)
BUS_UP = Gauge(
    "ordertide_bus_connected", "Whether this process hears wake-ups of the others (1) or polls (0)"
)
WAKE_UPS = Counter("ordertide_bus_wake_ups_total", "Wake-ups this process heard")
WS_CONNECTIONS = Gauge("ordertide_websocket_connections", "Open websockets")
WS_OPERATIONS = Gauge("ordertide_websocket_operations", "Operations running on websockets")
WS_MESSAGES = Counter("ordertide_websocket_messages_total", "Messages sent on websockets")
WS_CLOSED = Counter("ordertide_websocket_closed_total", "Websockets the server closed, by code", ["code"])
