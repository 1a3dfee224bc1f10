"""What a cart or an order amounts to, part by part."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Totals:
    """Amounts in minor units of one currency; the total is their exact sum, less the discount."""

    currency: str
    subtotal_minor: int
    shipping_minor: int = 0
    tax_minor: int = 0
    discount_minor: int = 0

    @property
    def total_minor(self) -> int:
        """What has to be paid."""
        return self.subtotal_minor + self.shipping_minor + self.tax_minor - self.discount_minor
