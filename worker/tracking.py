"""The job that applies what carriers tell, and what /metrics counts of it."""

from prometheus_client import Gauge

from services import carrier_events, tracking
from services.context import ServiceContext

SET_ASIDE = Gauge(
    "ordertide_carrier_events_set_aside", "What carriers told and waits for a person", ["reason"]
)


async def tell_late(context: ServiceContext) -> None:
    """Tell of parcels that are late, as `services/tracking.py` does, and count what is set aside."""
    await tracking.tell_late(context)
    for reason, events in (await carrier_events.count(context)).items():
        SET_ASIDE.labels(reason.value).set(events)
