"""What the viewers of `tests.leaks` may ask about, and how each subscription is asked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.scalars import encode_id
from tests.factories import Shop

FOLLOWED = {
    "cartEvents": "cart",
    "cartUpdated": "cart",
    "orderEvents": "order",
    "ordersChanged": "order",
    "orderUpdated": "order",
    "returnUpdated": "order",
    "shipmentUpdated": "order",
    "lowStock": "stock",
    "waveEvents": "wave",
}
"""Of which stream's events a subscription tells. Whoever adds one says so here, and in `Ground.variables`."""
VALUES = {"inventoryChanged", "stockChanged"}
"""Subscriptions that tell the newest values instead."""

TRACKING = ("tracking token", "old tracking token")
"""How one parcel is asked about by a token of its own; all else is asked about by its usual token then."""

LOW = 2

Variables = Callable[[], dict[str, Any]]


@dataclass
class Ground:
    """What everything happens to: carts, orders, and stock of something that is in neither."""

    carts: list[UUID]
    orders: list[UUID]
    numbers: dict[UUID, str]
    stock: Shop
    generations: dict[UUID, int]
    parcels: dict[UUID, UUID]
    """A parcel of each order, by order."""
    units: int = 1
    """Of the stock; above LOW only for a moment."""

    def of(self, aggregate: str) -> list[UUID]:
        """Return the ids of one kind."""
        kinds = {"cart": self.carts, "order": self.orders, "shipment": list(self.parcels.values())}
        return kinds[aggregate]

    def next_changes(self) -> tuple[int, int]:
        """Return by how much the stock changes next, so that it passes LOW on its way down."""
        before, self.units = self.units, LOW + 1 - self.units
        return LOW + 1 - before, self.units - LOW - 1

    def variables(
        self, name: str, where: int, how: str, sign: Callable[[str, UUID, int], str]
    ) -> tuple[UUID | None, Variables]:
        """Return what a subscription is about, and what makes its variables."""
        sku, place = self.stock.variant.sku, self.stock.location.code
        whole: dict[str, dict[str, Any]] = {
            "cartEvents": {},
            "orderEvents": {},
            "ordersChanged": {},
            "waveEvents": {},
            "inventoryChanged": {"channel": self.stock.channel.slug, "skus": [sku]},
            "stockChanged": {"locationCode": place, "skus": [sku]},
            "lowStock": {"locationCode": place, "threshold": LOW},
        }
        if name in whole:
            return None, lambda: dict(whole[name])
        aggregate = FOLLOWED[name]
        if name == "shipmentUpdated" and how in TRACKING:
            return self._by_tracking_token(where, how, sign)
        about = self.of(aggregate)[where]
        tokens: dict[str, Callable[[], str]] = {
            "token": lambda: sign(aggregate, about, self.generations[about]),
            "old token": lambda: sign(aggregate, about, 0),
            "another's token": lambda: sign("other", about, self.generations[about]),
        }
        how = how.replace("tracking ", "")
        if aggregate == "cart":
            token = tokens.get(how, tokens["old token"])
            return about, lambda: {"token": token()}
        if how in tokens:
            return about, lambda: {"ref": {"token": tokens[how]()}}
        named = {"id": encode_id("Order", about)} if how == "id" else {"number": self.numbers[about]}
        return about, lambda: {"ref": named}

    def _by_tracking_token(
        self, where: int, how: str, sign: Callable[[str, UUID, int], str]
    ) -> tuple[UUID, Variables]:
        parcel = self.of("shipment")[where]

        def variables() -> dict[str, Any]:
            generation = self.generations[parcel] if how == "tracking token" else 0
            return {"trackingToken": sign("shipment", parcel, generation)}

        return parcel, variables
