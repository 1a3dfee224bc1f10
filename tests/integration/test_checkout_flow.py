"""The seven steps of a checkout through GraphQL, and what they cost in SQL statements."""

from typing import Any
from uuid import uuid4

from persistence.database import Database
from providers.payments.sandbox import SandboxPayments
from services.access import ANONYMOUS
from tests import cart_flows as flow
from tests.factories import data_of, give_stock, make_shop, make_variant
from tests.statements import Statements, count_statements

ADDRESS = {
    "name": "Ada",
    "line1": "1 Main St",
    "city": "Boston",
    "region": "MA",
    "postalCode": "02110",
    "country": "US",
}
ORDER = """{
    id number status paymentStatus fulfillmentStatus version email channel { slug }
    lines { id sku name quantity unitPrice { amount } total { amount } quantityShipped quantityReturned }
    shippingAddress { name city country } billingAddress { name }
    totals { subtotal { amount } shipping { amount } total { amount } }
    payments { id provider status authorized { amount } }
    fulfillmentOrders { id status lines { sku quantity } }
    shipments { id status }
}"""
PLACE = f"""mutation ($input: OrderPlaceInput!) {{ orderPlace(input: $input) {{
    order {ORDER} orderToken payment {{ id status }} userErrors {{ code message path }} }} }}"""
READ = f"query ($ref: OrderRef!) {{ order(ref: $ref) {ORDER} }}"


async def test_a_checkout_takes_at_most_forty_statements(database: Database) -> None:
    shop = await make_shop(database, stock=5)
    other = await make_variant(database, shop.channel, price="2.50")
    await give_stock(database, other, shop.location, 5)
    providers = {"sandbox": SandboxPayments(database.engine)}
    with count_statements(database) as sent:
        steps = Steps(sent)
        created = await flow.create(database, shop, 1, idempotencyKey=str(uuid4()))
        token = created["cartToken"]
        steps.end("cartCreate", 7)
        await flow.add(database, token, other.sku, 2, idempotencyKey="second")
        steps.end("cartLineAdd", 7)
        await flow.update(database, token, email="ada@example.org", shippingAddress=ADDRESS)
        steps.end("cartUpdate", 4)
        options = (await flow.read(database, token))["deliveryOptions"]
        steps.end("cart", 1)
        await flow.select(database, token, options[0]["id"])
        steps.end("cartDeliveryOptionSelect", 4)
        given = {
            "cartToken": token,
            "payment": {"provider": "sandbox", "method": "ok"},
            "idempotencyKey": "place",
        }
        placed = await _data(database, PLACE, {"input": given}, providers)
        assert placed["orderPlace"]["userErrors"] == []
        steps.end("orderPlace", 15)
        ref = {"token": placed["orderPlace"]["orderToken"]}
        order = (await _data(database, READ, {"ref": ref}, providers))["order"]
        steps.end("order", 8)
    assert len(sent) <= 40, sent
    assert order == placed["orderPlace"]["order"]
    assert order["totals"]["total"]["amount"] == "15.00"
    assert (await flow.read(database, token))["status"] == "COMPLETED"
    assert await flow.levels(database, shop.variant) == {"available": 4, "held": 0}


class Steps:
    """How many statements each step took."""

    def __init__(self, sent: Statements) -> None:
        """Begin to count."""
        self._sent = sent
        self._before = 0
        self.taken: dict[str, int] = {}

    def end(self, name: str, most: int) -> None:
        """Assert that the step which ends here took at most so many."""
        self.taken[name] = len(self._sent) - self._before
        self._before = len(self._sent)
        assert self.taken[name] <= most, (name, self._sent)


async def _data(
    database: Database, document: str, variables: dict[str, Any], providers: dict[str, Any]
) -> dict[str, Any]:
    return await data_of(database, document, variables, ANONYMOUS, payment_providers=providers)
