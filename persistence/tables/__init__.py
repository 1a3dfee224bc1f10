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
    locations,
    orders,
    payments,
    sandbox,
    shipping,
    stored_values,
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
    "locations",
    "metadata",
    "orders",
    "payments",
    "sandbox",
    "shipping",
    "stored_values",
]
