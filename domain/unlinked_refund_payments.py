"""Refunds without an order that a payment provider pays: asked for once, and what its word makes of them."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.kernel.errors import InvalidInput
from domain.kernel.events import Event
from domain.kernel.ids import new_id
from domain.payment_callbacks import CallbackState, Reason, Step, Verdict, transaction_named
from domain.payment_means import check_token
from domain.payments import TransactionKind
from domain.ports import Outcome, ProviderAnswer, ProviderEvent
from domain.unlinked_refunds import (
    RefundPayment,
    RefundPaymentStatus,
    UnlinkedRefund,
    UnlinkedRefundMethod,
    UnlinkedRefundStatus,
    check_payable,
    settled,
    worth,
)

_CODE = re.compile(r"[!-~]{1,100}")
_UNNAMED = "declined"


@dataclass(frozen=True, slots=True)
class Target:
    """Which provider is to pay, and its own name of the card or account: never the card's number."""

    provider: str
    destination: str


class AnswerDiffers(Exception):
    """A provider says that it paid another amount, or another currency, than it was asked for."""


def target(provider: str | None, destination: str | None) -> Target:
    """Return whom to ask and whereto it goes; raises InvalidInput naming the field."""
    if provider is None:
        raise InvalidInput("say which provider is to pay", "provider")
    if destination is None:
        raise InvalidInput("say whereto: the provider's own name of a card or account", "destination")
    return Target(provider, check_token(destination, "destination"))


def requested(
    found: UnlinkedRefund, wanted: Target, actor: str, now: datetime, expected_version: int | None
) -> tuple[UnlinkedRefund, RefundPayment]:
    """Return it as it waits for its provider's answer, and what that is asked for.

    Raises IllegalTransition, VersionConflict and InvalidInput.
    """
    check_payable(found, expected_version)
    amount_minor = worth(found).amount_minor
    if not amount_minor:
        raise InvalidInput("nothing of it was accepted: there is nothing that a provider could pay", "method")
    asked = RefundPayment(new_id(), wanted.provider, RefundPaymentStatus.REQUESTED, amount_minor, actor, now)
    after = replace(
        found,
        status=UnlinkedRefundStatus.PAYING,
        method=UnlinkedRefundMethod.PROVIDER,
        payments=(*found.payments, asked),
        version=found.version + 1,
    )
    return after, asked


def concluded(
    found: UnlinkedRefund, asked: RefundPayment, answer: ProviderAnswer, now: datetime
) -> tuple[UnlinkedRefund, RefundPayment] | None:
    """Return both as the provider's answer makes them; None for an answer that decides nothing.

    Refused, the refund may be paid otherwise, or asked for anew. Raises AnswerDiffers.
    """
    if answer.outcome is Outcome.DECLINED:
        code = answer.decline_code if _CODE.fullmatch(answer.decline_code or "") else _UNNAMED
        refused = replace(asked, status=RefundPaymentStatus.FAILED, decline_code=code, settled_at=now)
        after = replace(
            _with(found, refused),
            status=UnlinkedRefundStatus.APPROVED,
            method=None,
            version=found.version + 1,
        )
        return after, refused
    if answer.outcome is not Outcome.SUCCEEDED:
        return None
    if answer.amount_minor != asked.amount_minor or answer.currency not in {None, found.currency}:
        raise AnswerDiffers(f"{answer.amount_minor} {answer.currency} of {asked.amount_minor}")
    done = replace(asked, status=RefundPaymentStatus.SUCCEEDED, reference=answer.reference, settled_at=now)
    method, by = UnlinkedRefundMethod.PROVIDER, asked.requested_by
    return settled(_with(found, done), method, answer.reference, asked.amount_minor, by, now), done


def named(event: ProviderEvent) -> UUID | None:
    """Return the request that an event names by our key, if it does."""
    return transaction_named(event.key)


def judge(event: ProviderEvent, asked: RefundPayment, currency: str) -> Verdict:
    """Say what is to be done about what a provider tells of a refund that we have asked for.

    While it is open the provider is asked, whose answer is the truth. What does not fit what is recorded is
    for a person to look at.
    """
    if event.kind is not TransactionKind.REFUND:
        return _set_aside(Reason.CONTRADICTS)
    if event.amount.currency != currency:
        return _set_aside(Reason.CURRENCY_MISMATCH)
    if event.amount.amount_minor != asked.amount_minor:
        return _set_aside(Reason.AMOUNT_MISMATCH)
    if asked.status is RefundPaymentStatus.REQUESTED:
        return Verdict(Step.ASK)
    if event.outcome is Outcome.ACTION_REQUIRED:
        return Verdict(Step.SETTLE, CallbackState.IGNORED, Reason.NOTHING_MOVED)
    succeeded = asked.status is RefundPaymentStatus.SUCCEEDED
    if event.outcome is not (Outcome.SUCCEEDED if succeeded else Outcome.DECLINED):
        return _set_aside(Reason.CONTRADICTS)
    if succeeded and asked.reference != event.change_reference:
        # Under the one key it was paid twice.
        return _set_aside(Reason.CONTRADICTS)
    return Verdict(Step.SETTLE)


def contradicted(found: UnlinkedRefund, provider: str, verdict: Verdict, now: datetime) -> Event:
    """Return the event that tells staff that a provider says what does not fit; the refund stays as it is."""
    facts = {"number": found.number, "provider": provider, "reason": verdict.reason}
    return Event(
        "PaymentCallbackSetAside", "unlinked_refund", found.id, found.version, now, found.channel_id, facts
    )


def _with(found: UnlinkedRefund, changed: RefundPayment) -> UnlinkedRefund:
    payments = tuple(changed if one.id == changed.id else one for one in found.payments)
    return replace(found, payments=payments)


def _set_aside(reason: Reason) -> Verdict:
    return Verdict(Step.SETTLE, CallbackState.SET_ASIDE, reason)
