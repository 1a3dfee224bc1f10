"""What people do at the sandbox by themselves: a shopper confirms, staff refund, a bank disputes.

Nothing of it is asked by Ordertide, which hears of it by callbacks alone.
"""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.ports import DisputeState
from providers.payments.sandbox_callbacks import changing, telling
from providers.payments.sandbox_methods import Faults
from providers.payments.sandbox_record import Change, Charge, SandboxRecord


class SandboxDesk:
    """The sandbox's dashboard, the shopper's own page there, and the payer's bank."""

    def __init__(self, engine: AsyncEngine, faults: Faults | None = None) -> None:
        """Work on the record that `engine` reaches."""
        self._record = SandboxRecord(engine)
        self._faults = faults or Faults()

    async def confirm(self, reference: str, *, agreed: bool = True) -> Charge | None:
        """Let the shopper confirm a charge that requires it, or refuse; None when none does."""
        return await self._record.confirm(
            {
                "charge": reference,
                "state": "AUTHORIZED" if agreed else "DECLINED",
                "decline_code": None if agreed else "authentication_failed",
                **telling(self._faults, f"confirm-{reference}", datetime.now(UTC)),
            }
        )

    async def change(
        self, kind: TransactionKind, reference: str, amount: Decimal | None = None
    ) -> Change | None:
        """Capture, refund or charge back, by default all there is; None when there is no such charge.

        Raises InvalidInput for an amount that the charge's currency does not have.
        """
        charge = await self._record.by_reference(reference)
        if charge is None:
            return None
        money = Money(_all(kind, charge), charge.currency)
        if amount is not None:
            money = Money.from_decimal(amount, charge.currency)
        values = changing(kind, f"desk-{uuid4().hex}", reference, money, self._faults)
        return await self._record.change({**values, "told_key": None})

    async def settle_dispute(self, reference: str, *, won: bool) -> Charge | None:
        """Let the payer's bank decide an open dispute, for the shop or against it; None: none is open."""
        state = DisputeState.WON if won else DisputeState.LOST
        return await self._record.settle_dispute(reference, state.value)


def _all(kind: TransactionKind, charge: Charge) -> int:
    if kind is TransactionKind.CAPTURE:
        return charge.amount_minor - charge.captured_minor
    return charge.captured_minor - charge.refunded_minor - charge.charged_back_minor
