"""No order is placed for a payment that was approved for anything but its total."""

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.kernel.errors import PaymentDeclined
from domain.ports import PaymentRequest, ProviderAnswer
from persistence.database import Database
from providers.payments.sandbox import SandboxPayments, charges
from services.order_placement import place
from tests.cart_flows import run_sql
from tests.checkouts import cart_status, levels, make_ready_cart, make_stocked_shop, till


class ApprovesOtherwise(SandboxPayments):
    """The real sandbox, but for what it says that it has approved."""

    def __init__(self, database: Database, **said: Any) -> None:
        super().__init__(database.engine)
        self.said = said

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        return replace(await super().authorize(key, request), **self.said)


@pytest.mark.parametrize(
    "said",
    [{"amount_minor": 2499}, {"amount_minor": 2501}, {"amount_minor": -1}, {"currency": "EUR"}],
    ids=["less", "more", "nonsense", "another currency"],
)
async def test_an_approval_of_anything_else_is_voided(database: Database, said: dict[str, Any]) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    context = till(database, payment_providers={"sandbox": ApprovesOtherwise(database, **said)})
    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(PaymentDeclined) as caught:
                await place(context, token, "sandbox", "ok", "key")
            assert caught.value.decline_code == "amount_mismatch"
    (logged,) = [entry for entry in logs if entry["event"] == "payment_amount_mismatch"]
    assert (logged["log_level"], logged["asked_minor"]) == ("error", 2500)
    assert [charge.state for charge in await charges(database.engine)] == ["VOIDED"]
    (payment,) = await run_sql(database, "SELECT status, order_id FROM payments")
    assert (payment.status, payment.order_id) == ("VOIDED", None)
    assert await cart_status(database, token) == "ACTIVE"
    assert await levels(database, shop) == [(3, 2, 0)]
    assert (await place(till(database), token, "sandbox", "ok", "another key")).order is not None


async def test_a_provider_that_names_no_currency_is_taken_at_its_word(database: Database) -> None:
    shop = await make_stocked_shop(database, 5)
    token = await make_ready_cart(database, shop, 2)
    context = till(database, payment_providers={"sandbox": ApprovesOtherwise(database, currency=None)})
    assert (await place(context, token, "sandbox", "ok", "key")).order is not None
