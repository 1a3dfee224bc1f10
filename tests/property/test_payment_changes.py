"""Any sequence of captures, refunds, voids and chargebacks keeps the guards; facts agree in any order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import payment_changes as decide
from domain.kernel.errors import AmountTooLarge, DomainError
from domain.payment_changes import Change
from domain.payment_facts import Fact, amounts_to, apply, set_aside_minor
from domain.payments import (
    Payment,
    PaymentStatus,
    PaymentTransaction,
    TransactionKind,
    TransactionStatus,
)
from domain.ports import Outcome

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AMOUNT = 1000
_UNASKED = [TransactionKind.CAPTURE, TransactionKind.REFUND, TransactionKind.CHARGEBACK]
_KINDS = {
    "capture": TransactionKind.CAPTURE,
    "refund": TransactionKind.REFUND,
    "void": TransactionKind.VOID,
}

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["capture", "refund"]), st.none() | st.integers(1, 1200)),
        st.tuples(st.just("void"), st.none()),
        st.tuples(st.sampled_from(["succeed", "fail", "repeat"]), st.integers(0, 5)),
        st.tuples(st.just("chargeback"), st.integers(1, 1200)),
    ),
    max_size=30,
)


class Tender:
    """A payment with its transactions, as a locked order holds them."""

    def __init__(self) -> None:
        self.payment = Payment(
            uuid4(), "stripe", "card", PaymentStatus.AUTHORIZED, "EUR", AMOUNT, AMOUNT, reference="pay"
        )
        approval = PaymentTransaction(
            uuid4(),
            self.payment.id,
            TransactionKind.AUTHORIZATION,
            TransactionStatus.SUCCEEDED,
            AMOUNT,
            NOW,
            NOW,
            "pay",
        )
        self.transactions = {approval.id: approval}
        self.references = 0
        self.told: list[tuple[Fact, UUID | None]] = []

    def take(self, change: Change | None) -> None:
        if change is not None:
            self.payment = change.payment
            self.transactions[change.transaction.id] = change.transaction

    def tell(self, fact: Fact, transaction_id: UUID | None) -> None:
        self.told.append((fact, transaction_id))
        known = list(self.transactions.values())
        self.take(apply(self.payment, known, fact, NOW, transaction_id=transaction_id))

    def reference(self) -> str:
        self.references += 1
        return f"move-{self.references}"

    def open(self) -> list[PaymentTransaction]:
        return [one for one in self.transactions.values() if one.status is TransactionStatus.REQUESTED]

    def sum(self, kind: TransactionKind, status: TransactionStatus) -> int:
        moved = self.transactions.values()
        return sum(one.amount_minor for one in moved if one.kind is kind and one.status is status)

    def check(self) -> None:
        """The guards of the table, and that the row is what its transactions sum to."""
        one = self.payment
        assert min(one.captured_minor, one.capturing_minor, one.voiding_minor) >= 0
        assert min(one.refunded_minor, one.refunding_minor, one.charged_back_minor) >= 0
        assert one.captured_minor + one.capturing_minor + one.voiding_minor <= one.authorized_minor <= AMOUNT
        assert one.refunded_minor + one.refunding_minor + one.charged_back_minor <= one.captured_minor
        done, asked = TransactionStatus.SUCCEEDED, TransactionStatus.REQUESTED
        assert one.captured_minor == self.sum(TransactionKind.CAPTURE, done)
        assert one.capturing_minor == self.sum(TransactionKind.CAPTURE, asked)
        given_up = self.sum(TransactionKind.VOID, done)
        assert one.authorized_minor == (AMOUNT - given_up if one.captured_minor else AMOUNT)
        assert (one.status is PaymentStatus.VOIDED) is (given_up == AMOUNT)
        assert one.voiding_minor == self.sum(TransactionKind.VOID, asked)
        assert one.refunded_minor == self.sum(TransactionKind.REFUND, done)
        assert one.refunding_minor == self.sum(TransactionKind.REFUND, asked)
        lost = set_aside_minor(one, list(self.transactions.values()))
        assert one.charged_back_minor + lost == self.sum(TransactionKind.CHARGEBACK, done)
        assert lost == 0 or one.refundable_minor == 0, "only what has no room is set aside"
        known = list(self.transactions.values())
        assert amounts_to(one, known, known) == one, "what is settled is settled"


def step(tender: Tender, action: str, number: Any) -> None:
    if action in _KINDS:
        start = {"capture": decide.capture, "refund": _refund, "void": _void}[action]
        tender.take(start(tender.payment, number, NOW))
    elif action == "chargeback":
        fact = Fact(TransactionKind.CHARGEBACK, Outcome.SUCCEEDED, number, "EUR", tender.reference())
        tender.tell(fact, None)
    elif action == "repeat" and tender.told:
        tender.tell(*tender.told[number % len(tender.told)])
    elif action in {"succeed", "fail"} and tender.open():
        asked = tender.open()[number % len(tender.open())]
        outcome = Outcome.SUCCEEDED if action == "succeed" else Outcome.DECLINED
        reference = "pay" if asked.kind is TransactionKind.VOID else tender.reference()
        tender.tell(Fact(asked.kind, outcome, asked.amount_minor, "EUR", reference), asked.id)


@given(steps)
def test_whatever_is_asked_and_answered_the_guards_hold(taken: list[tuple[str, Any]]) -> None:
    tender = Tender()
    for action, number in taken:
        before = tender.payment
        try:
            step(tender, action, number)
        except DomainError:
            assert tender.payment is before, "what is refused changes nothing"
        tender.check()


facts = st.lists(
    st.builds(
        lambda kind, outcome, amount, reference: Fact(kind, outcome, amount, "EUR", f"{kind}-{reference}"),
        st.sampled_from(_UNASKED),
        st.sampled_from([Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.DECLINED]),
        st.integers(1, 1200),
        st.integers(1, 3),
    ),
    max_size=8,
    unique_by=lambda fact: fact.reference,
)


@given(facts, st.booleans(), st.data())
def test_facts_end_in_the_same_state_in_any_order_and_however_often(
    told: list[Fact], voided: bool, data: st.DataObject
) -> None:
    if voided:
        told = [*told, Fact(TransactionKind.VOID, Outcome.SUCCEEDED, 0, None, "pay")]
        told = [replace(fact, amount_minor=AMOUNT) if fact.kind == "VOID" else fact for fact in told]
    straight, shuffled = Tender(), Tender()
    shuffled.payment = replace(shuffled.payment, id=straight.payment.id)
    for fact in told:
        straight.tell(fact, None)
    for fact in data.draw(st.permutations([*told, *told])):
        shuffled.tell(fact, None)
    assert straight.payment == shuffled.payment
    assert _told(straight) == _told(shuffled)


@given(
    st.lists(
        st.tuples(st.sampled_from(["gift_card", "store_credit", "stripe"]), st.integers(0, 500)), max_size=5
    ),
    st.integers(1, 2500),
)
def test_an_order_is_refunded_to_the_cent_last_taken_first_and_our_own_books_last(
    taken: list[tuple[str, int]], amount: int
) -> None:
    payments = [
        Payment(uuid4(), provider, "x", PaymentStatus.CAPTURED, "EUR", captured, captured, captured)
        for provider, captured in taken
    ]
    whole = sum(captured for _, captured in taken)
    if amount > whole:
        with pytest.raises(AmountTooLarge) as caught:
            decide.refund_of(payments, "EUR", amount, "broken", NOW)
        assert caught.value.left_minor == whole
        return
    changes = decide.refund_of(payments, "EUR", amount, "broken", NOW)
    assert sum(change.transaction.amount_minor for change in changes) == amount
    after = decide.replaced(payments, changes)
    cards_left = sum(one.refundable_minor for one in after if one.provider == "stripe")
    touched_ours = any(change.payment.provider != "stripe" for change in changes)
    assert not (cards_left and touched_ours), "what came from outside goes back first"
    for kind in (True, False):
        emptied = [
            (one.refundable_minor, before.refundable_minor)
            for before, one in zip(payments, after, strict=True)
            if (one.provider == "stripe") is kind
        ]
        touched = next((n for n, (now, was) in enumerate(emptied) if now < was), len(emptied))
        assert all(now == 0 for now, _ in emptied[touched + 1 :]), "what was taken later goes back first"


def _refund(payment: Payment, amount_minor: int | None, now: datetime) -> Change:
    return decide.refund(payment, amount_minor, "broken", now)


def _void(payment: Payment, _amount_minor: int | None, now: datetime) -> Change:
    return decide.void(payment, now)


def _told(tender: Tender) -> Sequence[tuple[str, int, str | None]]:
    return sorted((one.kind, one.amount_minor, one.reference) for one in tender.transactions.values())
