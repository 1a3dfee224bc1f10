"""What letters say of returns: how to send them, why not, and what came of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.addresses import Address
from domain.kernel.money import Money
from domain.payments import MANUAL, Payment, PaymentTransaction
from domain.return_evidence import Check, Decision
from domain.return_parcels import ParcelSource, ReturnParcel
from domain.returns import Return
from domain.shipments import LabelState


class HowToSend(StrEnum):
    """What the customer has to do, as letters have words for it."""

    LABEL = "how_label"
    CODE = "how_code"
    KEEP = "how_keep"


class Reason(StrEnum):
    """Why a request was declined, as letters have words for it: never more than the customer may know."""

    WINDOW_OVER = "reason_window_over"
    FINAL_SALE = "reason_final_sale"
    OTHER = "reason_other"


class Tender(StrEnum):
    """By what money goes back, as letters have words for it."""

    GIFT_CARD = "tender_gift_card"
    STORE_CREDIT = "tender_store_credit"
    EXCHANGE = "tender_exchange"
    BONUS = "tender_bonus"
    """What comes on top of store credit: no part of the total."""
    BY_HAND = "tender_manual"
    AS_PAID = "tender_as_paid"


_REASONS = {Check.WINDOW_OVER.value: Reason.WINDOW_OVER, Check.FINAL_SALE.value: Reason.FINAL_SALE}
_TENDERS = {"gift_card": Tender.GIFT_CARD, "store_credit": Tender.STORE_CREDIT, MANUAL: Tender.BY_HAND}


@dataclass(frozen=True, slots=True)
class ReturnLetter:
    """What a letter says of a return; what does not apply to its kind is left empty."""

    number: str
    units: tuple[tuple[UUID, int], ...] = ()
    """What comes back, by order line."""
    how: HowToSend | None = None
    send_by: datetime | None = None
    send_to: Address | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    drop_off_code: str | None = None
    instructions: str | None = None
    reasons: tuple[Reason, ...] = ()
    note: str | None = None
    """What staff say."""
    goods: Money | None = None
    """What is given back for the goods, before fees."""
    shipping: Money | None = None
    fees: Money | None = None
    total: Money | None = None
    tenders: tuple[tuple[Tender, Money], ...] = ()
    adjustment: Money | None = None
    """What staff took off (below zero), or waived of the fees; `fees` are then what the rules keep."""
    adjustment_reason: str | None = None
    exchange_due: Money | None = None
    """What is still to be paid for what comes instead."""


def return_letter(
    found: Return,
    currency: str,
    parcels: Sequence[ReturnParcel],
    place: Address | None,
    instructions: str | None,
    asked: Iterable[PaymentTransaction],
    payments: Mapping[UUID, Payment],
) -> ReturnLetter:
    """Return what there is to say of a return as it is; `asked` are its refunds, `place` where it goes."""
    plan = next((one for one in parcels if one.source is ParcelSource.LABEL), None)
    has_label = plan is not None and plan.label_state is LabelState.PURCHASED
    sent = HowToSend.LABEL if has_label else HowToSend.CODE
    goods = found.refund_minor - found.shipping_refund_minor + found.fee_minor
    return ReturnLetter(
        found.number,
        tuple((line.order_line_id, line.quantity) for line in found.lines),
        HowToSend.KEEP if found.keeps_items else sent if plan else None,
        None if found.keeps_items else found.expires_at,
        None if found.keeps_items else place,
        plan.carrier if plan and has_label else None,
        plan.tracking_number if plan and has_label else None,
        plan.drop_off_code if plan else None,
        None if found.keeps_items else instructions,
        reasons_of(found),
        found.note,
        Money(goods, currency),
        Money(found.shipping_refund_minor, currency),
        Money(found.fee_minor, currency),
        Money(found.refund_minor, currency),
        (*_tenders(asked, payments), *_credited(found, currency)),
    )


def reasons_of(found: Return) -> tuple[Reason, ...]:
    """Return why a request was declined by itself; of what only staff may know, that the rules forbid it."""
    verdict = found.verdict
    if verdict is None or verdict["decision"] != Decision.DECLINE.value:
        return ()
    checks = [one["check"] for one in verdict["findings"] if one["decision"] == Decision.DECLINE.value]
    return tuple(dict.fromkeys(_REASONS.get(check, Reason.OTHER) for check in checks)) or (Reason.OTHER,)


def _credited(found: Return, currency: str) -> tuple[tuple[Tender, Money], ...]:
    """Return what was kept for the customer: as store credit, or for what comes instead."""
    kept = Tender.EXCHANGE if found.exchange_order_id is not None else Tender.STORE_CREDIT
    amounts = ((kept, found.credit_minor), (Tender.BONUS, found.bonus_minor))
    return tuple((tender, Money(amount, currency)) for tender, amount in amounts if amount)


def _tenders(
    asked: Iterable[PaymentTransaction], payments: Mapping[UUID, Payment]
) -> tuple[tuple[Tender, Money], ...]:
    found: dict[Tender, Money] = {}
    for one in asked:
        payment = payments.get(one.payment_id)
        if payment is not None:
            tender = _TENDERS.get(payment.provider, Tender.AS_PAID)
            before = found.get(tender, Money(0, payment.currency))
            found[tender] = Money(before.amount_minor + one.amount_minor, payment.currency)
    return tuple(found.items())
