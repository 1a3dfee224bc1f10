"""Every table of Ordertide, one module a feature, on one shared MetaData."""

from persistence.tables import (
    access,
    approvals,
    carts,
    catalog,
    channels,
    event_log,
    fulfillment,
    idempotency,
    inventory,
    locations,
    order_holds,
    order_reviews,
    orders,
    payments,
    sandbox,
    shipping,
)
from persistence.tables.base import metadata

__all__ = [
    "access",
    "approvals",
    "carts",
    "catalog",
    "channels",
    "event_log",
    "fulfillment",
    "idempotency",
    "inventory",
    "locations",
    "metadata",
    "order_holds",
    "order_reviews",
    "orders",
    "payments",
    "sandbox",
    "shipping",
]
