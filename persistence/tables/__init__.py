"""Every table of Ordertide, one module a feature, on one shared MetaData."""

from persistence.tables import (
    access,
    carts,
    catalog,
    channels,
    discounts,
    event_log,
    fulfillment,
    idempotency,
    inventory,
    locations,
    order_edits,
    orders,
    payments,
    sandbox,
    shipping,
    taxes,
)
from persistence.tables.base import metadata

__all__ = [
    "access",
    "carts",
    "catalog",
    "channels",
    "discounts",
    "event_log",
    "fulfillment",
    "idempotency",
    "inventory",
    "locations",
    "metadata",
    "order_edits",
    "orders",
    "payments",
    "sandbox",
    "shipping",
    "taxes",
]
