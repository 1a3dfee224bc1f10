"""What carriers must offer: the protocols that their providers implement.

A carrier is asked for rates while a cart is looked at, for a label when a parcel is packed, and what became
of the parcel when it does not tell by itself. None of it happens inside a transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from domain.addresses import Address
from domain.kernel.money import Money
from domain.shipments import ParcelSize, ShipmentStatus


@dataclass(frozen=True, slots=True)
class RateRequest:
    """Parcels that are to go from one address to another, and what they are worth together.

    `ships_at` is when they would be handed over; prices are wanted in `value.currency`.
    """

    sender: Address
    recipient: Address
    parcels: tuple[ParcelSize, ...]
    value: Money
    ships_at: datetime


@dataclass(frozen=True, slots=True)
class RateQuote:
    """What a carrier asks for all parcels together, and how many of its days each takes.

    `code` is the carrier's own name of the service, `service` the one to show. Days are None where it does
    not say.
    """

    carrier: str
    service: str
    code: str
    price: Money
    min_days: int | None = None
    max_days: int | None = None


@dataclass(frozen=True, slots=True)
class CustomsLine:
    """Units of one SKU in a parcel, as labels and customs papers name them."""

    sku: str
    name: str
    quantity: int
    unit_value: Money
    weight_grams: int | None = None


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """One parcel to buy a label for; `reference` is the shop's name of it, printed where there is room."""

    sender: Address
    recipient: Address
    parcel: ParcelSize
    service_code: str
    reference: str
    contents: tuple[CustomsLine, ...]


class LabelFormat(StrEnum):
    """What kind of document a label is."""

    PDF = "PDF"
    PNG = "PNG"
    ZPL = "ZPL"


@dataclass(frozen=True, slots=True)
class Label:
    """A label that was bought; `reference` is the carrier's own name of the parcel."""

    reference: str
    tracking_number: str
    document: bytes
    document_format: LabelFormat
    tracking_url: str | None = None
    price: Money | None = None
    estimated_at: datetime | None = None
    drop_off_code: str | None = None
    """What who has no printer shows where they drop the parcel off, if the carrier takes such."""


@dataclass(frozen=True, slots=True)
class TrackingUpdate:
    """Something a carrier tells of a parcel.

    `id` is the carrier's name of it, or made of what it says: the same twice is the same. `reference` and
    `tracking_number` name the parcel, one of them at least. `place` is the position as told.
    """

    id: str
    status: ShipmentStatus
    occurred_at: datetime
    reference: str | None = None
    tracking_number: str | None = None
    code: str | None = None
    description: str | None = None
    place: str | None = None
    estimated_at: datetime | None = None


class CarrierUnavailable(Exception):
    """The carrier did not answer, or not in a way that can be understood: the outcome is not known."""


class CarrierRefused(Exception):
    """The carrier said no, and asking again would not help: `code` is its word, `message` for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Carrier(Protocol):
    """One carrier, or one company that speaks for many.

    A label is bought under an idempotency key made from our shipment's id: asking again never buys a second.
    Methods raise CarrierUnavailable when no answer came, and CarrierRefused.
    """

    async def rates(self, request: RateRequest) -> Sequence[RateQuote]:
        """Return what it offers; nothing where it does not go."""
        ...

    async def buy_label(self, key: str, request: LabelRequest) -> Label:
        """Buy the label of one parcel."""
        ...

    async def find_label(self, key: str) -> Label | None:
        """Return the label that was bought with `key`; None when that never arrived."""
        ...

    async def void_label(self, reference: str) -> bool:
        """Give a label back that was not used; False where the carrier does not take it back any more."""
        ...

    async def track(self, reference: str | None, tracking_number: str) -> Sequence[TrackingUpdate]:
        """Return everything it has told of a parcel so far."""
        ...


@runtime_checkable
class ReturnLabeler(Protocol):
    """A carrier that sells labels for parcels that customers send back."""

    async def buy_return_label(self, key: str, request: LabelRequest) -> Label:
        """Buy the label of a parcel from the customer, who is its sender, to us, once per key.

        `find_label`, `void_label` and `track` know it like any other. Raises what `buy_label` does.
        """
        ...


@runtime_checkable
class TrackingReader(Protocol):
    """A carrier that calls back."""

    def read_tracking(
        self, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Sequence[TrackingUpdate]:
        """Return what a callback tells; nothing where that is of no interest to us.

        `headers` have lower-case names, `body` is as it arrived. Raises domain.ports.CallbackRefused, and
        ValueError for what is signed and still cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Manifest:
    """A carrier's own list of the parcels it takes over at once."""

    reference: str
    document: bytes
    document_format: LabelFormat


@runtime_checkable
class ManifestMaker(Protocol):
    """A carrier that wants to be told which parcels it takes over together."""

    async def close_out(self, key: str, references: Sequence[str]) -> Manifest:
        """Close the day's parcels, and return the list to be signed."""
        ...


@runtime_checkable
class ServiceNamer(Protocol):
    """A carrier that knows its services by name without being asked over the network."""

    def named_service(self, code: str) -> str:
        """Return the code of a service as its quotes have it; raises CarrierRefused where it has no such."""
        ...


Carriers = Mapping[str, Carrier]
"""Carriers by the name of their provider."""
