"""Payments: their status, and the transactions (calls to a provider) they are made of."""

from collections.abc import Mapping, Set
from enum import StrEnum


class PaymentStatus(StrEnum):
    """What a payment amounts to so far."""

    PENDING = "PENDING"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    AUTHORIZED = "AUTHORIZED"
    PARTIALLY_CAPTURED = "PARTIALLY_CAPTURED"
    CAPTURED = "CAPTURED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    VOIDED = "VOIDED"
    FAILED = "FAILED"


class TransactionKind(StrEnum):
    """What a provider is asked to do."""

    AUTHORIZATION = "AUTHORIZATION"
    CAPTURE = "CAPTURE"
    REFUND = "REFUND"
    VOID = "VOID"


class TransactionStatus(StrEnum):
    """REQUESTED is an intent whose outcome is not known yet."""

    REQUESTED = "REQUESTED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


TRANSACTION_TRANSITIONS: Mapping[TransactionStatus, Set[TransactionStatus]] = {
    TransactionStatus.REQUESTED: {
        TransactionStatus.ACTION_REQUIRED,
        TransactionStatus.SUCCEEDED,
        TransactionStatus.FAILED,
    },
    TransactionStatus.ACTION_REQUIRED: {TransactionStatus.SUCCEEDED, TransactionStatus.FAILED},
}
