"""What a cart or an order amounts to, part by part."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Totals:
    """Amounts in minor units of one currency; the total is their exact sum, less the discount.

    Tax that is included in the prices is a part of them, and not added once more.
    """

    currency: str
    subtotal_minor: int
    shipping_minor: int = 0
    tax_minor: int = 0
    discount_minor: int = 0
    tax_included: bool = False
    tax_missing: bool = False
    """Whether tax is still to be asked for: then none is in these amounts."""

    @property
    def total_minor(self) -> int:
        """What has to be paid."""
        net_minor = self.subtotal_minor + self.shipping_minor - self.discount_minor
        return net_minor if self.tax_included else net_minor + self.tax_minor
