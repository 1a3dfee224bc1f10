"""Pay later, outside: by bank, in cash, on an invoice or a purchase order. Nothing is asked of anybody."""

from domain.kernel.money import Money
from domain.ports import Outcome, PaymentRequest, ProviderAnswer


class ManualPayments:
    """The order is placed with its payment PENDING, until staff record what came."""

    @property
    def methods(self) -> frozenset[str]:
        """Ways of paying later."""
        return frozenset({"bank_transfer", "cash_on_delivery", "invoice", "purchase_order"})

    async def authorize(self, key: str, request: PaymentRequest) -> ProviderAnswer:
        """Accept at once, with nothing reserved."""
        return ProviderAnswer(Outcome.DEFERRED, key, 0)

    async def find(self, key: str) -> ProviderAnswer | None:
        """Answer as `authorize` did."""
        return ProviderAnswer(Outcome.DEFERRED, key, 0)

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        """Agree that the money came: who records that has seen it."""
        return ProviderAnswer(Outcome.SUCCEEDED, key, amount.amount_minor, currency=amount.currency)

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderAnswer:
        """Agree that the money was sent back: who records that has sent it."""
        return ProviderAnswer(Outcome.SUCCEEDED, key, amount.amount_minor, currency=amount.currency)

    async def find_change(self, key: str, reference: str) -> ProviderAnswer | None:
        """Nothing is on record here: whoever asks is to ask again for the change itself."""
        return None

    async def void(self, key: str, reference: str) -> ProviderAnswer:
        """Nothing was reserved, so nothing has to be given up."""
        return ProviderAnswer(Outcome.SUCCEEDED, reference, 0)
