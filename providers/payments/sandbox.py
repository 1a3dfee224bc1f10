"""A payment provider to try things with: it keeps its own record, and its methods are its answers.

`ok` authorizes, `decline` declines, `review` authorizes and wishes that a person looks first, and
`timeout` authorizes but never answers, as happens in life; all are in `sandbox_methods.py`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.kernel.money import Money
from domain.payments import TransactionKind
from domain.ports import (
    DisputeState,
    Outcome,
    PaymentRecord,
    PaymentRequest,
    ProviderAnswer,
    ProviderEvent,
    ProviderTimeout,
    ReportLine,
)
from providers.payments import sandbox_callbacks, sandbox_report
from providers.payments.sandbox_methods import BEHAVIOURS, UNKNOWN_DESTINATION, Fate, Faults
from providers.payments.sandbox_record import Change, SandboxRecord
from providers.payments.sandbox_record import Charge as Charge
from providers.payments.sandbox_record import charges as charges

_HANGS_SECONDS = 3600.0
_NO_FAULTS = Faults()


class SandboxPayments:
    """The sandbox. Its record stands on connections of its own, outside our transactions."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        answer_delay_seconds: float = 0.0,
        faults: Faults = _NO_FAULTS,
        callback_secret: str | bytes | None = None,
    ) -> None:
        """Keep the record through `engine`; answer `answer_delay_seconds` after recording.

        Without `callback_secret` no callback is believed.
        """
        self._record = SandboxRecord(engine)
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._answer_delay_seconds = answer_delay_seconds
        self._faults = faults
        self._callback_secret = callback_secret

    @property
    def methods(self) -> frozenset[str]:
        """Payment methods it takes."""
        return frozenset(BEHAVIOURS)

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        """Record a charge once per key, then answer as the method says."""
        behaviour = self._faults.behaviour(request.method, key)
        if behaviour.fate is Fate.LOST:
            raise ProviderTimeout
        now = datetime.now(UTC)
        charge = await self._record.charge(
            {
                "reference": f"sbx_{uuid4().hex}",
                "key": key,
                "method": request.method,
                "state": behaviour.state,
                "decline_code": behaviour.decline_code,
                "expires_at": now + behaviour.lapses_after if behaviour.lapses_after else None,
                "currency": request.amount.currency,
                "amount_minor": request.amount.amount_minor,
                **sandbox_callbacks.telling(self._faults, key, now),
            }
        )
        await self._meet(behaviour.fate)
        if charge is None:
            raise ProviderTimeout
        return _answer(charge)

    async def find(self, key: str) -> ProviderAnswer | None:
        """Return what became of the charge with `key`; None when it never arrived."""
        charge = await self._record.find(key)
        return _answer(charge) if charge else None

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        """Take a part of what the charge has reserved, or all, once per key."""
        return await self._change(TransactionKind.CAPTURE, key, reference, amount)

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        """Give a part of what was captured back, or all, once per key."""
        return await self._change(TransactionKind.REFUND, key, reference, amount)

    async def refund_unreferenced(self, key: str, destination: str, amount: Money) -> ProviderAnswer:
        """Give an amount to whoever `destination` is, once per key; it answers as the method of that name."""
        known = destination in BEHAVIOURS
        behaviour = self._faults.behaviour(destination, key) if known else UNKNOWN_DESTINATION
        if behaviour.fate is Fate.LOST:
            raise ProviderTimeout
        change = await self._record.credit(
            {
                **sandbox_callbacks.changing(TransactionKind.REFUND, key, None, amount, self._faults),
                "destination": destination,
                "state": "DECLINED" if behaviour.state == "DECLINED" else "SUCCEEDED",
                "decline_code": behaviour.decline_code,
            }
        )
        await self._meet(behaviour.fate)
        if change is None:
            raise ProviderTimeout
        return _change_answer(change)

    async def find_unreferenced(self, key: str) -> ProviderAnswer | None:
        """Return what became of the refund with `key`; None when it never arrived."""
        return await self.find_change(key, "")

    async def find_change(self, key: str, reference: str) -> ProviderAnswer | None:
        """Return what became of the capture or refund with `key`; None when it never arrived."""
        change = await self._record.find_change(key)
        return _change_answer(change) if change else None

    async def record_of(self, reference: str) -> PaymentRecord | None:
        """Return what is on record of the charge `reference`; a charge back is an open dispute."""
        charge = await self._record.by_reference(reference)
        if charge is None:
            return None
        return PaymentRecord(
            charge.currency,
            charge.captured_minor,
            charge.refunded_minor,
            charge.disputed_minor,
            DisputeState(charge.dispute),
        )

    async def void(self, key: str, reference: str) -> ProviderAnswer:
        """Give up the charge `reference`."""
        telling = sandbox_callbacks.telling(self._faults, key, datetime.now(UTC))
        charge = await self._record.void({"charge": reference, "told_key": key, **telling})
        if charge is None:
            return ProviderAnswer(Outcome.DECLINED, reference, 0, decline_code="unknown_charge")
        return ProviderAnswer(Outcome.SUCCEEDED, charge.reference, charge.amount_minor)

    def read_callback(
        self, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Sequence[ProviderEvent]:
        """Return the movement that a callback of the sandbox tells of.

        Raises CallbackRefused, and ValueError for what is signed and cannot be read. The time window
        is 5 minutes around the machine's own clock, as the Standard Webhooks library has it.
        """
        return sandbox_callbacks.read(self._callback_secret, headers, body)

    async def report(self, since: datetime, until: datetime) -> Sequence[ReportLine]:
        """Return every capture, refund and chargeback from `since` up to before `until`."""
        return await sandbox_report.report(self._engine, since, until)

    async def _change(self, kind: TransactionKind, key: str, reference: str, amount: Money) -> ProviderAnswer:
        values = sandbox_callbacks.changing(kind, key, reference, amount, self._faults)
        change = await self._record.change({**values, "told_key": key})
        if change is None:
            return ProviderAnswer(Outcome.DECLINED, reference, 0, decline_code="unknown_charge")
        if change.method == "ok":
            await self._meet(self._faults.fate(key))
        return _change_answer(change)

    async def _meet(self, fate: Fate) -> None:
        """Let a request that is on record end as it has to: return, or raise ProviderTimeout."""
        if self._answer_delay_seconds:
            await asyncio.sleep(self._answer_delay_seconds)
        if fate is Fate.HANGS:
            await asyncio.sleep(_HANGS_SECONDS)
        if fate is not Fate.ANSWERED:
            raise ProviderTimeout


def _change_answer(change: Change) -> ProviderAnswer:
    if change.state == "DECLINED":
        return ProviderAnswer(
            Outcome.DECLINED, change.reference, change.amount_minor, decline_code=change.decline_code
        )
    return ProviderAnswer(Outcome.SUCCEEDED, change.reference, change.amount_minor, currency=change.currency)


def _answer(charge: Charge) -> ProviderAnswer:
    if charge.state == "DECLINED":
        return ProviderAnswer(
            Outcome.DECLINED, charge.reference, charge.amount_minor, decline_code=charge.decline_code
        )
    behaviour = BEHAVIOURS[charge.method]
    waits = charge.state == "ACTION_REQUIRED"
    return ProviderAnswer(
        Outcome.ACTION_REQUIRED if waits else Outcome.SUCCEEDED,
        charge.reference,
        charge.amount_minor,
        needs_review=behaviour.needs_review,
        currency=charge.currency,
        risk_score=behaviour.risk_score,
        payer_country=behaviour.payer_country,
        action={"type": "sandbox_confirm", "reference": charge.reference} if waits else None,
        expires_at=charge.expires_at,
    )
