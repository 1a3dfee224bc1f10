"""The job that applies what providers tell, and what /metrics counts of it."""

from prometheus_client import Counter, Gauge

from services import payment_callbacks
from services.context import ServiceContext

SETTLED = Counter(
    "ordertide_payment_callbacks_settled_total",
    "Callbacks of payment providers by what became of them",
    ["state"],
)
SET_ASIDE = Gauge("ordertide_payment_callbacks_set_aside", "Callbacks that wait for a person")


async def apply(context: ServiceContext) -> None:
    """Apply what is due; count it, and what waits for a person, where anything was."""
    ended = await payment_callbacks.apply_due(context)
    for state, times in ended.items():
        SETTLED.labels(state.value).inc(times)
    SET_ASIDE.set(await payment_callbacks.count_set_aside(context))
