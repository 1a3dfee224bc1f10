"""What people say of parcels: what goes into one, who brings it, and by which number it is followed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from domain.kernel.changes import KEEP, Keep
from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import require_text
from domain.shipments import ParcelSize

MAX_TEXT_LENGTH = 200
"""Longest name of a carrier, service or box, and longest tracking number, in characters."""
MAX_URL_LENGTH = 2000
MAX_MEASURE = 10_000_000
"""Most grams or millimetres of a parcel: far above any, below int4."""


@dataclass(frozen=True, slots=True)
class ParcelDraft:
    """What shall go into one parcel: units by fulfillment order line; a number that somebody typed."""

    lines: Mapping[UUID, int]
    size: ParcelSize = field(default_factory=ParcelSize)
    box: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None


@dataclass(frozen=True, slots=True)
class Carriage:
    """Who brings a parcel; `provider` is the port that its label is bought from (None: none is)."""

    carrier: str
    service: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class TrackingChanges:
    """What a person corrects of a parcel; what is KEEP stays, and it always has a carrier."""

    carrier: str | Keep = KEEP
    service: str | Keep | None = KEEP
    tracking_number: str | Keep | None = KEEP
    tracking_url: str | Keep | None = KEEP


def check_parcel(draft: ParcelDraft) -> ParcelDraft:
    """Return a draft with its texts trimmed; raises InvalidInput naming the field."""
    measures = {
        "weightGrams": draft.size.weight_grams,
        "lengthMm": draft.size.length_mm,
        "widthMm": draft.size.width_mm,
        "heightMm": draft.size.height_mm,
    }
    for name, measure in measures.items():
        if measure is not None and not 1 <= measure <= MAX_MEASURE:
            raise InvalidInput(f"must be between 1 and {MAX_MEASURE}", name)
    return replace(
        draft,
        box=text_of(draft.box, "box"),
        tracking_number=text_of(draft.tracking_number, "trackingNumber"),
        tracking_url=url_of(draft.tracking_url),
    )


def checked_tracking(changes: TrackingChanges) -> TrackingChanges:
    """Return changes with their texts trimmed; raises InvalidInput naming the field."""
    carrier, service, number, url = (
        changes.carrier,
        changes.service,
        changes.tracking_number,
        changes.tracking_url,
    )
    return TrackingChanges(
        carrier if carrier is KEEP else require_text(carrier, MAX_TEXT_LENGTH, "carrier"),
        service if service is KEEP else text_of(service, "service"),
        number if number is KEEP else text_of(number, "trackingNumber"),
        url if url is KEEP else url_of(url),
    )


def text_of(text: str | None, path: str) -> str | None:
    """Return a text trimmed, None as it is; raises InvalidInput when it is blank or too long."""
    return None if text is None else require_text(text, MAX_TEXT_LENGTH, path)


def url_of(url: str | None) -> str | None:
    """Return a tracking address; raises InvalidInput unless it is one of the web: customers follow it."""
    if url is None:
        return None
    address = require_text(url, MAX_URL_LENGTH, "trackingUrl")
    if not address.lower().startswith(("https://", "http://")):
        raise InvalidInput("must begin with https:// or http://", "trackingUrl")
    return address
