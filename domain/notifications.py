"""Notifications: what a customer is told of an order, each thing once."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.kernel.errors import IllegalTransition

OLDEST_NEWS = timedelta(days=2)
"""What happened longer ago is no news: a consumer that starts anew must not write to old customers."""

GIVE_UP_AFTER = timedelta(days=2)
"""How long a mail server may put us off; relays themselves give up after 4 to 5 days (RFC 5321, 4.5.4.1)."""

MOST_REPEATS = 1
"""How often a message is sent again of which nobody knows whether it arrived."""

LONGEST_REASON = 500
"""Longest reason that is kept, in characters; mail servers' answers may go on for lines."""

FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(hours=1)
_MOST_DOUBLINGS = 16


class NotificationKind(StrEnum):
    """What the customer is told."""

    ORDER_CONFIRMED = "ORDER_CONFIRMED"
    ORDER_RECEIVED = "ORDER_RECEIVED"
    """Placed, and waiting for a person."""
    ORDER_APPROVED = "ORDER_APPROVED"
    ORDER_CANCELED = "ORDER_CANCELED"
    """By whomever; also one that nobody approved."""
    ORDER_REFUNDED = "ORDER_REFUNDED"
    SHIPPED = "SHIPPED"
    OUT_FOR_DELIVERY = "OUT_FOR_DELIVERY"
    DELIVERED = "DELIVERED"
    DELAYED = "DELAYED"
    DELIVERY_FAILED = "DELIVERY_FAILED"
    READY_FOR_PICKUP = "READY_FOR_PICKUP"
    RETURN_RECEIVED_REQUEST = "RETURN_RECEIVED_REQUEST"
    """Asked for, and waiting for a person."""
    RETURN_APPROVED = "RETURN_APPROVED"
    """With how to send it, or that its label follows."""
    RETURN_READY_TO_SEND = "RETURN_READY_TO_SEND"
    """How to send one that was told of before: its label took longer, or staff do otherwise."""
    RETURN_DECLINED = "RETURN_DECLINED"
    RETURN_REMINDER = "RETURN_REMINDER"
    RETURN_ARRIVED = "RETURN_ARRIVED"
    RETURN_REFUNDED = "RETURN_REFUNDED"
    RETURN_REFUND_DELAYED = "RETURN_REFUND_DELAYED"
    """A provider refused to pay it back; staff see to it."""
    RETURN_EXCHANGE_UNAVAILABLE = "RETURN_EXCHANGE_UNAVAILABLE"
    """What was wanted instead is sold out: it is refunded."""
    RETURN_REJECTED = "RETURN_REJECTED"
    """It came, and nothing is given back for it."""
    RETURN_CANCELED = "RETURN_CANCELED"
    RETURN_EXPIRED = "RETURN_EXPIRED"
    """It did not come in time."""
    CLAIM_RECEIVED = "CLAIM_RECEIVED"
    """Made, and waiting for a person."""
    CLAIM_APPROVED = "CLAIM_APPROVED"
    """With what comes of it; of a refund RETURN_REFUNDED tells once it is given."""
    CLAIM_DECLINED = "CLAIM_DECLINED"
    CLAIM_CANCELED = "CLAIM_CANCELED"
    """Withdrawn."""
    UNLINKED_REFUND_PAID = "UNLINKED_REFUND_PAID"
    """Money was given back without an order."""
    RETURN_REPAIRED = "RETURN_REPAIRED"
    """It is repaired; SHIPPED tells when it leaves."""


class NotificationState(StrEnum):
    """How far a notification has come."""

    PENDING = "PENDING"
    """To be sent, for the first time or again."""
    SENDING = "SENDING"
    """Handed to the mail server, whose answer is not known (yet)."""
    SENT = "SENT"
    FAILED = "FAILED"
    """Refused for good, or put off for too long."""
    UNCONFIRMED = "UNCONFIRMED"
    """Handed over more than once, and never an answer: a person has to decide."""


TRANSITIONS: Mapping[NotificationState, Set[NotificationState]] = {
    NotificationState.PENDING: {NotificationState.SENDING, NotificationState.FAILED},
    NotificationState.SENDING: {
        NotificationState.SENT,
        NotificationState.PENDING,
        NotificationState.FAILED,
        NotificationState.UNCONFIRMED,
    },
    # Again, because staff say so.
    NotificationState.SENT: {NotificationState.PENDING},
    NotificationState.FAILED: {NotificationState.PENDING},
    NotificationState.UNCONFIRMED: {NotificationState.PENDING},
}

WAITS = frozenset({NotificationState.PENDING, NotificationState.SENDING})
"""States in which something is still to happen by itself."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing that a customer is told, of an order or (`order_id` None) of a refund without one.

    `subject_key` tells things of one kind and order apart (the parcel, say). `sender` is who sent it
    ("smtp"; "log" for one that was only logged). `generation` counts how often staff had it sent anew,
    `repeats` how often it was sent again in doubt.
    """

    id: UUID
    order_id: UUID | None
    kind: NotificationKind
    subject_key: str
    recipient: str
    locale: str
    state: NotificationState
    created_at: datetime
    begun_at: datetime
    """When it was to be sent first, or anew: the date that the message carries however often it is tried."""
    next_attempt_at: datetime
    facts: Mapping[str, Any]
    attempts: int = 0
    repeats: int = 0
    generation: int = 1
    reason: str | None = None
    sender: str | None = None
    ended_at: datetime | None = None
    unlinked_refund_id: UUID | None = None

    @property
    def shipment_id(self) -> UUID | None:
        """The parcel it tells of, if it does."""
        named = self.facts.get("shipmentId")
        return None if named is None else UUID(named)

    @property
    def return_id(self) -> UUID | None:
        """The return it tells of, if it does."""
        named = self.facts.get("returnId")
        return None if named is None else UUID(named)

    @property
    def claim_id(self) -> UUID | None:
        """The claim it tells of, if it does."""
        named = self.facts.get("claimId")
        return None if named is None else UUID(named)

    @property
    def message_name(self) -> str:
        """What names the message before the @ of its Message-ID: sent again in doubt, it is the same one."""
        return f"{self.id.hex}.{self.generation}"


@dataclass(frozen=True, slots=True)
class News:
    """What an event makes known to a customer, still to be written down."""

    kind: NotificationKind
    subject_key: str
    facts: Mapping[str, Any]


_PLAIN = {
    "OrderApproved": NotificationKind.ORDER_APPROVED,
    "OrderCanceled": NotificationKind.ORDER_CANCELED,
    "OrderRejected": NotificationKind.ORDER_CANCELED,
    "OrderExpired": NotificationKind.ORDER_CANCELED,
}
_OF_PARCELS = {
    "ShipmentShipped": NotificationKind.SHIPPED,
    "ShipmentOutForDelivery": NotificationKind.OUT_FOR_DELIVERY,
    "ShipmentDelivered": NotificationKind.DELIVERED,
    "ShipmentDelayed": NotificationKind.DELAYED,
    "ShipmentFailedAttempt": NotificationKind.DELIVERY_FAILED,
    "ShipmentAvailableForPickup": NotificationKind.READY_FOR_PICKUP,
}
OF_PARCELS = frozenset(_OF_PARCELS.values())
"""Kinds that tell of one parcel."""
_OF_RETURNS = {
    # Once it is known how it is sent, or that this takes longer.
    "ReturnReadyToSend": NotificationKind.RETURN_APPROVED,
    "ReturnLabelDelayed": NotificationKind.RETURN_APPROVED,
    "ReturnLabelFailed": NotificationKind.RETURN_APPROVED,
    "ReturnDeclined": NotificationKind.RETURN_DECLINED,
    "ReturnReminded": NotificationKind.RETURN_REMINDER,
    # Whoever says so first: its carrier, or who counts it.
    "ReturnParcelDelivered": NotificationKind.RETURN_ARRIVED,
    "ReturnPartiallyReceived": NotificationKind.RETURN_ARRIVED,
    "ReturnReceived": NotificationKind.RETURN_ARRIVED,
    "ReturnRefundFailed": NotificationKind.RETURN_REFUND_DELAYED,
    "ReturnExchangeUnavailable": NotificationKind.RETURN_EXCHANGE_UNAVAILABLE,
    "ReturnRepaired": NotificationKind.RETURN_REPAIRED,
    "ReturnCanceled": NotificationKind.RETURN_CANCELED,
    "ReturnExpired": NotificationKind.RETURN_EXPIRED,
}
OF_RETURNS = frozenset(
    {
        *_OF_RETURNS.values(),
        NotificationKind.RETURN_READY_TO_SEND,
        NotificationKind.RETURN_RECEIVED_REQUEST,
        NotificationKind.RETURN_REFUNDED,
        NotificationKind.RETURN_REJECTED,
    }
)
"""Kinds that tell of one return."""
TELLS_HOW_TO_SEND = frozenset(
    {
        NotificationKind.RETURN_APPROVED,
        NotificationKind.RETURN_READY_TO_SEND,
        NotificationKind.RETURN_REMINDER,
    }
)
"""Kinds that tell how to send a return: its label goes with them."""
_OF_CLAIMS = {
    "ClaimNeedsReview": NotificationKind.CLAIM_RECEIVED,
    "ClaimApproved": NotificationKind.CLAIM_APPROVED,
    "ClaimDeclined": NotificationKind.CLAIM_DECLINED,
    "ClaimCanceled": NotificationKind.CLAIM_CANCELED,
}
OF_CLAIMS = frozenset(_OF_CLAIMS.values())
"""Kinds that tell of one claim."""
# What may rightly happen to one parcel again, though never twice a day.
_DAILY = frozenset(
    {NotificationKind.OUT_FOR_DELIVERY, NotificationKind.DELAYED, NotificationKind.DELIVERY_FAILED}
)


def news_of(kind: str, payload: Mapping[str, Any], sequence: int, occurred_at: datetime) -> News | None:
    """Return what an event of an order tells its customer; None for what is not theirs to know.

    History from another system is no news, and staff may have said that the customer is not to be written to.
    """
    if payload.get("imported") or payload.get("notifyCustomer") is False:
        return None
    if kind == "OrderPlaced":
        waits = payload.get("status") == "PENDING_APPROVAL"
        received = NotificationKind.ORDER_RECEIVED if waits else NotificationKind.ORDER_CONFIRMED
        return News(received, "", {})
    if kind == "PaymentRefunded" and "amountMinor" in payload:
        facts = {"amountMinor": payload["amountMinor"], "currency": payload["currency"]}
        if "transactionId" in payload:
            facts["transactionId"] = payload["transactionId"]
        return News(NotificationKind.ORDER_REFUNDED, str(sequence), facts)
    if kind in _PLAIN:
        return News(_PLAIN[kind], "", {})
    if kind in _OF_PARCELS and payload.get("shipmentId"):
        found = _OF_PARCELS[kind]
        parcel = str(payload["shipmentId"])
        day = f":{occurred_at:%Y-%m-%d}" if found in _DAILY else ""
        return News(found, parcel + day, {"shipmentId": parcel})
    if kind in _OF_CLAIMS and payload.get("claimId"):
        return News(_OF_CLAIMS[kind], payload["claimId"], {"claimId": payload["claimId"]})
    return _news_of_return(kind, payload) if payload.get("returnId") else None


def _news_of_return(kind: str, payload: Mapping[str, Any]) -> News | None:
    found = _OF_RETURNS.get(kind)
    status = payload.get("returnStatus")
    if kind == "ReturnNeedsReview" and status == "REQUESTED":
        found = NotificationKind.RETURN_RECEIVED_REQUEST
    elif kind == "ReturnApproved" and status == "INSPECTED":
        # Nothing is to be sent: the customer keeps it.
        found = NotificationKind.RETURN_APPROVED
    elif kind == "ReturnReadyToSend" and payload.get("again"):
        of_plan = f"{payload['returnId']}:{payload['generation']}"
        return News(NotificationKind.RETURN_READY_TO_SEND, of_plan, {"returnId": payload["returnId"]})
    elif kind in {"ReturnClosed", "ReturnRejected"}:
        # Of what staff end a part may have been given before.
        refunded = payload.get("refundMinor", 0) > 0
        found = NotificationKind.RETURN_REFUNDED if refunded else NotificationKind.RETURN_REJECTED
    return None if found is None else News(found, payload["returnId"], {"returnId": payload["returnId"]})


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts: doubled each time, an hour at most."""
    doublings = min(attempts - 1, _MOST_DOUBLINGS)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)


def put_off(notification: Notification, reason: str, now: datetime) -> Notification:
    """Return a notification that could not be sent now: to be tried again, or given up after too long."""
    if now - notification.begun_at >= GIVE_UP_AFTER:
        return failed(notification, reason, now)
    return replace(
        notification,
        state=NotificationState.PENDING,
        reason=reason,
        next_attempt_at=now + pause_after(notification.attempts),
    )


def doubted(notification: Notification, reason: str, now: datetime) -> Notification:
    """Return a notification of which nobody knows whether the server took it.

    It is sent again with the same Message-ID, MOST_REPEATS times; then it waits for a person.
    """
    if notification.repeats >= MOST_REPEATS:
        return replace(notification, state=NotificationState.UNCONFIRMED, reason=reason, ended_at=now)
    again = put_off(notification, reason, now)
    return replace(again, repeats=notification.repeats + 1)


def lost(notification: Notification, now: datetime) -> Notification:
    """Return a notification that somebody handed over who did not come back: it is due at once."""
    found = doubted(notification, "nobody came back from sending it", now)
    return replace(found, next_attempt_at=now)


def failed(notification: Notification, reason: str, now: datetime) -> Notification:
    """Return a notification that will not be sent."""
    return replace(notification, state=NotificationState.FAILED, reason=reason, ended_at=now)


def sent(notification: Notification, sender: str, now: datetime) -> Notification:
    """Return a notification that the server has taken."""
    return replace(notification, state=NotificationState.SENT, reason=None, sender=sender, ended_at=now)


def resent(notification: Notification, recipient: str, now: datetime) -> Notification:
    """Return a notification to be sent anew, as a message of its own.

    One that waits goes to the new address. Raises IllegalTransition while it is with the mail server.
    """
    if notification.state is NotificationState.SENDING:
        raise IllegalTransition("the notification is being sent just now", notification.state.value, ())
    return replace(
        notification,
        state=NotificationState.PENDING,
        recipient=recipient,
        generation=notification.generation + 1,
        attempts=0,
        repeats=0,
        reason=None,
        sender=None,
        ended_at=None,
        begun_at=now,
        next_attempt_at=now,
    )
