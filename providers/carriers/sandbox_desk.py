"""What happens at the sandbox carrier without us: a parcel is scanned, machines fail.

Nothing of it is asked by Ordertide, which hears of it by callbacks, or asks by itself.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.kernel.errors import InvalidInput
from domain.shipments import ShipmentStatus
from providers.carriers.sandbox_faults import CarrierFaults
from providers.carriers.sandbox_journey import DESCRIPTIONS, happening
from providers.carriers.sandbox_record import ParcelRecord, SandboxParcel


class CarrierDesk:
    """The sandbox carrier's scanners, and the switch of its machines."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Work on the record that `engine` reaches."""
        self._record = ParcelRecord(engine)

    async def advance(self, tracking_number: str, status: str, **said: Any) -> SandboxParcel | None:
        """Let `status` happen to a parcel now; None when there is no such parcel.

        `said` is what is told with it: place, description, estimated_at. Raises InvalidInput for what no
        carrier tells.
        """
        named = status.upper().replace("-", "_")
        if named not in set(DESCRIPTIONS):
            raise InvalidInput(f"{status} is no status, which are {', '.join(DESCRIPTIONS)}", "status")
        faults = await self._record.faults()
        event = happening(ShipmentStatus(named), datetime.now(UTC), faults, **said)
        return await self._record.advance(tracking_number, event)

    async def set_faults(self, *, down_for_seconds: float | None = None, **rates: float) -> CarrierFaults:
        """Let it misbehave from now on, in what is named; the rest stays. Returns how it then is.

        `down_for_seconds` 0 ends an outage. Raises InvalidInput for rates that are not from 0 to 1.
        """
        known: dict[str, Any] = dict(rates)
        faults = replace(await self._record.faults(), **known)
        given = (faults.hang, faults.error, faults.duplicate, faults.late, faults.shuffle)
        if not all(0 <= rate <= 1 for rate in given) or faults.hang + faults.error > 1:
            raise InvalidInput("rates are from 0 to 1, hang and error 1 at most together", "faults")
        if down_for_seconds is not None:
            down_until = datetime.now(UTC) + timedelta(seconds=down_for_seconds)
            faults = replace(faults, down_until=down_until if down_for_seconds > 0 else None)
        await self._record.set_faults(faults)
        return faults
