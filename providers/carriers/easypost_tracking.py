"""What EasyPost tells of parcels: trackers, asked for or posted to us (webhooks of kind tracker.*)."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from easypost.errors.general.signature_verification_error import SignatureVerificationError
from easypost.util import validate_webhook

from domain.carrier_ports import TrackingUpdate
from domain.ports import CallbackRefused
from domain.shipments import ShipmentStatus
from providers.carriers.easypost_objects import moment_of

STATUSES: Final = MappingProxyType(
    {
        "pre_transit": ShipmentStatus.PRE_TRANSIT,
        "in_transit": ShipmentStatus.IN_TRANSIT,
        "out_for_delivery": ShipmentStatus.OUT_FOR_DELIVERY,
        "delivered": ShipmentStatus.DELIVERED,
        "available_for_pickup": ShipmentStatus.AVAILABLE_FOR_PICKUP,
        "return_to_sender": ShipmentStatus.RETURN_TO_SENDER,
        "failure": ShipmentStatus.EXCEPTION,
        "cancelled": ShipmentStatus.EXCEPTION,
        "error": ShipmentStatus.EXCEPTION,
    }
)
"""What EasyPost's statuses mean to us; `unknown` means nothing."""

_SIGNATURE: Final = "x-hmac-signature"


def read(secret: str | None, headers: Mapping[str, str], body: bytes) -> Sequence[TrackingUpdate]:
    """Return what a webhook tells; raises CallbackRefused, and ValueError for what cannot be read.

    The signature has no time in it: one that is sent again tells the same again, which is harmless.
    """
    if secret is None:
        raise CallbackRefused
    try:
        # The library looks for the name as it is written in EasyPost's documentation.
        event = validate_webhook(body, {"X-Hmac-Signature": headers.get(_SIGNATURE)}, secret)
    except (SignatureVerificationError, TypeError):
        # TypeError: a signature outside ASCII, which cannot be compared.
        raise CallbackRefused from None
    try:
        if not str(event["description"]).startswith("tracker."):
            return []
        return told(event["result"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not an event as EasyPost describes it") from error


def told(tracker: Mapping[str, Any]) -> list[TrackingUpdate]:
    """Return everything a tracker has, in its order; what says nothing is left out."""
    return list(_details(tracker))


def _details(tracker: Mapping[str, Any]) -> Iterator[TrackingUpdate]:
    arrives = tracker.get("est_delivery_date")
    for detail in tracker.get("tracking_details") or ():
        status = STATUSES.get(detail["status"])
        if status is None:
            continue
        yield TrackingUpdate(
            id=_name(tracker, detail),
            status=status,
            occurred_at=moment_of(detail["datetime"]),
            reference=tracker.get("shipment_id"),
            tracking_number=tracker["tracking_code"],
            code=detail.get("status_detail") or detail["status"],
            description=detail.get("message"),
            place=_place(detail.get("tracking_location") or {}),
            estimated_at=moment_of(arrives) if arrives else None,
        )


def _name(tracker: Mapping[str, Any], detail: Mapping[str, Any]) -> str:
    """Name a detail by what it says: EasyPost gives it no name, and tells all of them each time."""
    said = "|".join(
        str(part) for part in (tracker["id"], detail["datetime"], detail["status"], detail.get("message"))
    )
    return f"{tracker['id']}/{hashlib.sha256(said.encode()).hexdigest()[:24]}"


def _place(location: Mapping[str, Any]) -> str | None:
    parts = [location.get(name) for name in ("city", "state", "country")]
    return ", ".join(str(part) for part in parts if part) or None
