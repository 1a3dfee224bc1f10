"""Every table of Ordertide, one module a feature, on one shared MetaData."""

from persistence.tables import (
    access,
    carts,
    catalog,
    channels,
    event_log,
    fulfillment,
    idempotency,
    inventory,
    ledger,
    locations,
    orders,
    payments,
    reconciliation,
    sandbox,
    shipping,
)
from persistence.tables.base import metadata

__all__ = [
    "access",
    "carts",
    "catalog",
    "channels",
    "event_log",
    "fulfillment",
    "idempotency",
    "inventory",
    "ledger",
    "locations",
    "metadata",
    "orders",
    "payments",
    "reconciliation",
    "sandbox",
    "shipping",
]
