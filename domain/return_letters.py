"""What letters say of returns: how to send them, why not, and what came of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.addresses import Address
from domain.kernel.money import Money
from domain.payments import MANUAL, Payment, PaymentTransaction, TransactionStatus
from domain.return_evidence import Check, Decision
from domain.return_parcels import ParcelSource, ReturnParcel
from domain.return_settlement import is_given
from domain.returns import WAITING, Return, ReturnStatus, ReturnWish
from domain.shipments import LabelState


class HowToSend(StrEnum):
    """What the customer has to do, as letters have words for it."""

    LABEL = "how_label"
    LABEL_ATTACHED = "how_label_attached"
    """The label comes with the letter."""
    LABEL_FOLLOWS = "how_label_follows"
    """The label is still to be bought."""
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
    GAP = "tender_gap"
    """What the shop pays of an exchange because shares were rounded: no part of the total."""
    BY_HAND = "tender_manual"
    AS_PAID = "tender_as_paid"
    ELSEWHERE = "tender_elsewhere"
    """To a card or account that nothing was paid with."""


class Outcome(StrEnum):
    """How a return that brought something ended, as there is a text for it."""

    REFUND = "RETURN_REFUNDED"
    CREDIT = "RETURN_CREDITED"
    """All of it is store credit."""
    EXCHANGE = "RETURN_EXCHANGED"
    """All of it goes towards what comes instead."""
    MIXED = "RETURN_SETTLED"
    """A part was kept for the customer, the rest was refunded."""


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
    outcome: Outcome = Outcome.REFUND
    credit: Money | None = None
    """What was kept for the customer, with what came on top."""
    payout: Money | None = None
    """The part of the total that goes back by payments; of one that was refused, what is still to be paid."""
    in_part: bool = False
    """Whether staff have ended it though a part of its money was never given."""
    rest_missing: bool = False
    """Whether a part of it is here, and others are not."""
    label_id: UUID | None = None
    """The document of its label, while that is good."""
    adjustment: Money | None = None
    """What staff took off (below zero), or waived of the fees; `fees` are then what the rules keep."""
    adjustment_reason: str | None = None
    to_be_repaired: bool = False
    """Whether what is sent comes back to the customer."""
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
    how = _how(found, plan)
    can_be_sent = how in {HowToSend.LABEL, HowToSend.CODE}
    goods = found.refund_minor - found.shipping_refund_minor + found.fee_minor
    here = sum(line.quantity_received for line in found.lines)
    given, missing = _parted(asked)
    return ReturnLetter(
        found.number,
        tuple((line.order_line_id, line.quantity) for line in found.lines),
        how,
        found.expires_at if can_be_sent else None,
        place if can_be_sent else None,
        plan.carrier if plan and how is HowToSend.LABEL else None,
        plan.tracking_number if plan and how is HowToSend.LABEL else None,
        plan.drop_off_code if plan and can_be_sent else None,
        instructions if can_be_sent else None,
        reasons_of(found),
        found.note,
        Money(goods, currency),
        Money(found.shipping_refund_minor, currency),
        Money(found.fee_minor, currency),
        Money(found.refund_minor, currency),
        (*_tenders(given, payments), *_credited(found, currency)),
        _outcome(found),
        Money(found.credit_minor + found.bonus_minor, currency),
        Money(sum(one.amount_minor for one in missing) or found.refund_minor - found.credit_minor, currency),
        bool(missing) and found.status is ReturnStatus.CLOSED,
        0 < here < sum(line.quantity for line in found.lines),
        _label(found, plan),
        to_be_repaired=found.wish is ReturnWish.REPAIR,
    )


def with_adjustment(letter: ReturnLetter, found: Return, currency: str) -> ReturnLetter:
    """Return a letter of a return with what staff changed of it beside what the rules keep."""
    if not found.adjustment_minor:
        return letter
    return replace(
        letter,
        fees=Money(found.fee_minor + found.adjustment_minor, currency),
        adjustment=Money(found.adjustment_minor, currency),
        adjustment_reason=found.adjustment_reason,
    )


def _how(found: Return, plan: ReturnParcel | None) -> HowToSend | None:
    """Return what the customer has to do; None where nobody has said yet how it is sent."""
    if found.keeps_items:
        return HowToSend.KEEP
    if plan is None:
        return None
    if plan.label_state in {LabelState.REQUESTED, LabelState.FAILED}:
        return HowToSend.LABEL_FOLLOWS
    # Of one that went back to its carrier the customer may still have the paper.
    return HowToSend.LABEL if plan.document_id is not None else HowToSend.CODE


def _label(found: Return, plan: ReturnParcel | None) -> UUID | None:
    good = plan is not None and plan.label_state is LabelState.PURCHASED and found.status in WAITING
    return plan.document_id if plan is not None and good else None


def _outcome(found: Return) -> Outcome:
    if not found.credit_minor:
        return Outcome.REFUND
    if found.credit_minor < found.refund_minor:
        return Outcome.MIXED
    return Outcome.CREDIT if found.exchange_order_id is None else Outcome.EXCHANGE


def with_label(letter: ReturnLetter) -> ReturnLetter:
    """Return a letter whose label goes with it."""
    return replace(letter, how=HowToSend.LABEL_ATTACHED)


def reasons_of(found: Return) -> tuple[Reason, ...]:
    """Return why a request was declined by itself; of what only staff may know, that the rules forbid it."""
    verdict = found.verdict
    if verdict is None or verdict["decision"] != Decision.DECLINE.value:
        return ()
    checks = [one["check"] for one in verdict["findings"] if one["decision"] == Decision.DECLINE.value]
    return tuple(dict.fromkeys(_REASONS.get(check, Reason.OTHER) for check in checks)) or (Reason.OTHER,)


def _credited(found: Return, currency: str) -> tuple[tuple[Tender, Money], ...]:
    """Return what was kept for the customer: as store credit, or for what comes instead."""
    kept, more = Tender.STORE_CREDIT, Tender.BONUS
    if found.exchange_order_id is not None:
        kept, more = Tender.EXCHANGE, Tender.GAP
    amounts = ((kept, found.credit_minor), (more, found.bonus_minor))
    return tuple((tender, Money(amount, currency)) for tender, amount in amounts if amount)


def _parted(
    asked: Iterable[PaymentTransaction],
) -> tuple[list[PaymentTransaction], list[PaymentTransaction]]:
    """Return the refunds that were given, or may be, and those that providers refused."""
    given: list[PaymentTransaction] = []
    refused: list[PaymentTransaction] = []
    for one in asked:
        failed = one.status is TransactionStatus.FAILED and not is_given(one)
        (refused if failed else given).append(one)
    return given, refused


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
