"""A carrier to try things with: rates by a formula, labels, tracking on demand, and faults.

It keeps its own record, in tables of its own. docs/features/carriers.md says what it does when.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from secrets import randbelow
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.carrier_ports import (
    CarrierRefused,
    CarrierUnavailable,
    Label,
    LabelFormat,
    LabelRequest,
    Manifest,
    RateQuote,
    RateRequest,
    TrackingUpdate,
)
from domain.kernel.late import late
from domain.kernel.money import Money
from providers.carriers import sandbox_tracking
from providers.carriers.sandbox_faults import CarrierFate, CarrierFaults
from providers.carriers.sandbox_journey import planned
from providers.carriers.sandbox_rates import CARRIER, priced, quotes, service_of
from providers.carriers.sandbox_record import ParcelRecord, SandboxParcel

if TYPE_CHECKING:
    from providers.carriers.label_document import label_pdf, manifest_pdf
else:
    label_pdf = late("providers.carriers.label_document:label_pdf")
    manifest_pdf = late("providers.carriers.label_document:manifest_pdf")

_HANGS_SECONDS: Final = 3600.0
_A_DAY: Final = timedelta(days=1)
_DROP_OFF_DIGITS: Final = 8
_CURRENCY_WITHOUT_CONTENTS: Final = "USD"


class SandboxCarrier:
    """The sandbox. Its record stands on connections of its own, outside our transactions."""

    def __init__(
        self, engine: AsyncEngine, *, day_seconds: float = 0.0, callback_secret: str | bytes | None = None
    ) -> None:
        """Keep the record through `engine`.

        Parcels move by themselves, a day of the journey in `day_seconds`; at 0 they wait for somebody.
        Without `callback_secret` no callback is believed.
        """
        self._record = ParcelRecord(engine)
        self._day = timedelta(seconds=day_seconds)
        self._callback_secret = callback_secret

    def named_service(self, code: str) -> str:
        """Return the code of one of its services, in capitals; raises CarrierRefused."""
        return service_of(code).code

    async def rates(self, request: RateRequest) -> Sequence[RateQuote]:
        """Return every service, if no parcel is too heavy."""
        fate = (await self._up()).fate()
        await _meet(fate)
        if fate is CarrierFate.LOST:
            raise CarrierUnavailable
        return quotes(request)

    async def buy_label(self, key: str, request: LabelRequest) -> Label:
        """Sell the label of one parcel, once per key."""
        faults = await self._up()
        fate = faults.fate()
        if fate is CarrierFate.LOST:
            raise CarrierUnavailable
        parcel = await self._buy(key, request, faults)
        await _meet(fate)
        return _label(parcel)

    async def buy_return_label(self, key: str, request: LabelRequest) -> Label:
        """Sell the label of a parcel that comes back, once per key, like any other."""
        return await self.buy_label(key, request)

    async def find_label(self, key: str) -> Label | None:
        """Return the label that was sold with `key`; None when that never arrived."""
        await self._up()
        parcel = await self._record.find(key)
        return _label(parcel) if parcel else None

    async def void_label(self, reference: str) -> bool:
        """Take a label back, unless the parcel was scanned; again is the same."""
        await self._up()
        return await self._record.void(reference, datetime.now(UTC))

    async def track(self, reference: str | None, tracking_number: str) -> Sequence[TrackingUpdate]:
        """Return everything that has happened to a parcel so far."""
        await self._up()
        return await self._record.told(reference, tracking_number, datetime.now(UTC))

    def read_tracking(
        self, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Sequence[TrackingUpdate]:
        """Return what a callback of the sandbox tells.

        Raises CallbackRefused, and ValueError for what is signed and cannot be read. The time window
        is 5 minutes around the machine's own clock, as the Standard Webhooks library has it.
        """
        return sandbox_tracking.read(self._callback_secret, headers, body)

    async def close_out(self, key: str, references: Sequence[str]) -> Manifest:
        """Close these parcels, once per key; raises CarrierRefused where one is not known, or given back."""
        await self._up()
        known = await self._record.known(references)
        missing = set(references) - {parcel.reference for parcel in known}
        if missing or not known:
            raise CarrierRefused("unknown_parcel", f"{len(missing)} of these parcels are not on record")
        reference = f"sbm_{uuid4().hex}"
        rows = [f"{parcel.tracking_number}   {parcel.service}" for parcel in known]
        document = await asyncio.to_thread(manifest_pdf, CARRIER, reference, rows)
        named, kept = await self._record.close_out(key, reference, sorted(references), document)
        return Manifest(named, kept, LabelFormat.PDF)

    async def _up(self) -> CarrierFaults:
        """Return how it misbehaves now; raises CarrierUnavailable while it is down."""
        faults = await self._record.faults()
        if faults.is_down(datetime.now(UTC)):
            raise CarrierUnavailable
        return faults

    async def _buy(self, key: str, request: LabelRequest, faults: CarrierFaults) -> SandboxParcel:
        service, price_minor, days = priced(
            request.service_code, request.sender, request.recipient, request.parcel
        )
        now = datetime.now(UTC)
        # Fourteen digits: Code 128 writes two of them in one sign.
        number = f"SB{randbelow(10**14):014d}"
        contents = request.contents
        events = planned(request.sender, request.recipient, days, self._day, faults, now) if self._day else []
        values = {
            "reference": f"sbp_{uuid4().hex}",
            "key": key,
            "number": number,
            "service": service.code,
            "currency": contents[0].unit_value.currency if contents else _CURRENCY_WITHOUT_CONTENTS,
            "price_minor": price_minor,
            "document": await asyncio.to_thread(
                label_pdf,
                CARRIER,
                service.name,
                number,
                request.sender,
                request.recipient,
                request.reference,
            ),
            "estimated_at": now + days * (self._day or _A_DAY),
            "now": now,
        }
        parcel = await self._record.buy(values, events)
        if parcel is None:
            raise CarrierUnavailable
        return parcel


async def _meet(fate: CarrierFate) -> None:
    """Let a request that is on record end as it has to: return, or raise CarrierUnavailable."""
    if fate is CarrierFate.HANGS:
        await asyncio.sleep(_HANGS_SECONDS)
    if fate in {CarrierFate.HANGS, CarrierFate.SERVER_ERROR}:
        raise CarrierUnavailable


def _label(parcel: SandboxParcel) -> Label:
    return Label(
        parcel.reference,
        parcel.tracking_number,
        bytes(parcel.document),
        LabelFormat.PDF,
        price=Money(parcel.price_minor, parcel.currency),
        estimated_at=parcel.estimated_at,
        drop_off_code=parcel.tracking_number[-_DROP_OFF_DIGITS:],
    )
