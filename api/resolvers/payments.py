"""Root fields of payments."""

from collections.abc import Sequence

import strawberry

from api.context import Info
from api.errors import UserError, user_error
from api.resolvers.root_fields import mutation
from api.scalars import decode_id
from api.schema.orders import Order, OrderRefundInput, OrderRefundPayload
from api.schema.payments import (
    Payment,
    PaymentCaptureInput,
    PaymentPayload,
    PaymentRecordInput,
    PaymentRefundInput,
    PaymentTransaction,
    PaymentVoidInput,
)
from domain import payments as domain
from domain.kernel.errors import PaymentDeclined
from services import payment_changes
from services.access import Permission
from services.payment_changes import Changed


@strawberry.type
class PaymentsMutation:
    """Mutations of payments."""

    @mutation(PaymentPayload, Permission.PAYMENTS_WRITE)
    async def payment_capture(self, info: Info, input: PaymentCaptureInput) -> PaymentPayload | None:  # noqa: A002
        """Take what a payment has reserved, or a part of it."""
        amount = input.amount.to_domain() if input.amount else None
        changed = await payment_changes.capture(
            info.context.service, decode_id("Payment", input.id, "id"), amount, input.idempotency_key
        )
        return _payload(changed)

    @mutation(PaymentPayload, Permission.PAYMENTS_WRITE)
    async def payment_void(self, info: Info, input: PaymentVoidInput) -> PaymentPayload | None:  # noqa: A002
        """Give up what a payment has reserved and not captured."""
        changed = await payment_changes.void(
            info.context.service, decode_id("Payment", input.id, "id"), input.idempotency_key
        )
        return _payload(changed)

    @mutation(PaymentPayload, Permission.PAYMENTS_WRITE)
    async def payment_refund(self, info: Info, input: PaymentRefundInput) -> PaymentPayload | None:  # noqa: A002
        """Give back what was captured of a payment, or a part of it."""
        amount = input.amount.to_domain() if input.amount else None
        changed = await payment_changes.refund(
            info.context.service,
            decode_id("Payment", input.id, "id"),
            amount,
            input.reason,
            input.idempotency_key,
        )
        return _payload(changed)

    @mutation(PaymentPayload, Permission.PAYMENTS_WRITE)
    async def payment_record(self, info: Info, input: PaymentRecordInput) -> PaymentPayload | None:  # noqa: A002
        """Record that money of a payment with provider `manual` came: by bank transfer, in cash."""
        changed = await payment_changes.record(
            info.context.service,
            decode_id("Payment", input.id, "id"),
            input.amount.to_domain(),
            input.reference,
            input.idempotency_key,
        )
        return _payload(changed)

    @mutation(OrderRefundPayload, Permission.PAYMENTS_WRITE)
    async def order_refund(self, info: Info, input: OrderRefundInput) -> OrderRefundPayload | None:  # noqa: A002
        """Give an amount back over all payments of an order, last taken first."""
        refunded = await payment_changes.refund_order(
            info.context.service,
            input.ref.to_domain("ref"),
            input.amount.to_domain(),
            input.reason,
            input.expected_version,
            input.idempotency_key,
        )
        order = refunded.order
        return OrderRefundPayload(
            order=Order.of(order),
            transactions=[PaymentTransaction.of(one, order.currency) for one in refunded.transactions],
            user_errors=_refusals(refunded.transactions, "ref"),
        )


def _payload(changed: Changed) -> PaymentPayload:
    asked = changed.transactions[-1]
    return PaymentPayload(
        payment=Payment.of(changed.payment),
        transaction=PaymentTransaction.of(asked, changed.payment.currency),
        user_errors=_refusals(changed.transactions, "id"),
    )


def _refusals(transactions: Sequence[domain.PaymentTransaction], path: str) -> list[UserError]:
    """Return what the providers refused, as the errors that say why."""
    refusals = [
        PaymentDeclined(one.decline_code or "declined")
        for one in transactions
        if one.status is domain.TransactionStatus.FAILED
    ]
    for refusal in refusals:
        refusal.path = (path,)
    return [user_error(refusal) for refusal in refusals]
