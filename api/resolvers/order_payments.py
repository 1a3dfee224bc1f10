"""Root fields of payments asked for after an order was placed."""

import strawberry

from api.context import Info
from api.resolvers.root_fields import mutation
from api.scalars import decode_id
from api.schema.order_payments import OrderPaymentCreateInput, OrderPaymentCreatePayload
from api.schema.orders import Order
from api.schema.payments import Payment
from domain.payment_means import means_in
from services import order_payments
from services.access import Permission


@strawberry.type
class OrderPaymentsMutation:
    """Mutations of payments asked for after an order was placed."""

    @mutation(OrderPaymentCreatePayload, Permission.PAYMENTS_WRITE)
    async def order_payment_create(
        self,
        info: Info,
        input: OrderPaymentCreateInput,  # noqa: A002
    ) -> OrderPaymentCreatePayload | None:
        """Ask for what is due of an open order with one more payment; what waits for it then goes on."""
        created = await order_payments.create(
            info.context.service,
            decode_id("Order", input.id, "id"),
            input.payment.provider,
            input.payment.method,
            input.amount.to_domain() if input.amount else None,
            input.idempotency_key,
            means_in(input.payment.token, input.payment.return_url, input.payment.reference),
        )
        return OrderPaymentCreatePayload(
            order=Order.of(created.order), payment=Payment.of(created.payment, created.action)
        )
