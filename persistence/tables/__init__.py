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
    payment_callbacks,
    payments,
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
    "locations",
    "metadata",
    "orders",
    "payment_callbacks",
    "payments",
    "sandbox",
    "shipping",
]
