"""Money as whole minor units of one ISO 4217 currency, so that sums are exact."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from iso4217 import Currency as IsoCurrency

from domain.kernel.errors import InvalidInput

MAX_AMOUNT_MINOR = 10**15
"""Largest amount accepted from outside, in minor units: far above any order, far below bigint."""
_MAX_DIGITS = 40


@lru_cache(maxsize=512)
def exponent_of(currency: str) -> int:
    """Return how many decimals `currency` has by ISO 4217 (JPY 0, USD 2, KWD 3).

    Raises InvalidInput when the code is not an ISO 4217 currency with minor units.
    """
    try:
        exponent = IsoCurrency(currency).exponent
    except ValueError:
        exponent = None
    if exponent is None:
        raise InvalidInput(f"{currency[:8]!r} is not an ISO 4217 currency code", "currency")
    return int(exponent)


@dataclass(frozen=True, slots=True)
class Amount:
    """Money as a client sends it, still to be checked against the currency it has to be in."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in whole minor units (cents, fils, yen) of one currency.

    Arithmetic across currencies raises ValueError: mixing them is a defect, never an input.
    """

    amount_minor: int
    currency: str

    @classmethod
    def from_decimal(cls, amount: Decimal, currency: str) -> "Money":
        """Read an exact decimal amount; raises InvalidInput when it has more decimals than the currency."""
        exponent = exponent_of(currency)
        if not amount.is_finite():
            raise InvalidInput("amount is not a finite number", "amount")
        sign, digits, shift = amount.as_tuple()
        # Bounded before anything is computed: 1E+999999 must not become a million digits.
        if len(digits) > _MAX_DIGITS or amount.adjusted() > _MAX_DIGITS:
            raise InvalidInput("amount is too large or has too many digits", "amount")
        minor = Fraction(int("".join(map(str, digits)))) * Fraction(10) ** max(
            int(shift) + exponent, -_MAX_DIGITS
        )
        if minor.denominator != 1:
            raise InvalidInput(f"{currency} has {exponent} decimals, amount has more", "amount")
        whole = -minor.numerator if sign else minor.numerator
        if abs(whole) > MAX_AMOUNT_MINOR:
            raise InvalidInput("amount is too large", "amount")
        return cls(whole, currency)

    @classmethod
    def zero(cls, currency: str) -> "Money":
        """Return nothing, in `currency`."""
        return cls(0, currency)

    @property
    def amount(self) -> Decimal:
        """The amount as an exact decimal with the currency's own number of decimals."""
        return Decimal(self.amount_minor).scaleb(-exponent_of(self.currency))

    def __add__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def __mul__(self, quantity: int) -> "Money":
        return Money(self.amount_minor * quantity, self.currency)

    def allocate(self, weights: Sequence[int]) -> list["Money"]:
        """Split into parts proportional to `weights` whose sum is exactly this amount.

        Largest-remainder method (Hamilton): every part gets its floor, and the minor units
        left over go to the largest remainders, earliest first. All-zero weights share evenly.
        """
        return [Money(part, self.currency) for part in allocate_minor(self.amount_minor, weights)]

    def _same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot mix {self.currency} with {other.currency}")


def allocate_minor(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """Split whole minor units as `Money.allocate` does; no part is more than its weight if the sum is not."""
    if not weights or min(weights) < 0:
        raise ValueError("weights must be non-negative and at least one")
    total = sum(weights)
    shares = weights if total else [1] * len(weights)
    total = total or len(weights)
    sign, amount = (-1, -amount_minor) if amount_minor < 0 else (1, amount_minor)
    parts = [amount * share // total for share in shares]
    left = amount - sum(parts)
    if left:
        remainders = [amount * share % total for share in shares]
        # Reversed sorting keeps equals in their order: the earliest comes first.
        for index in sorted(range(len(parts)), key=remainders.__getitem__, reverse=True)[:left]:
            parts[index] += 1
    return parts if sign > 0 else [-part for part in parts]


def rounded_half_up(numerator: int, denominator: int) -> int:
    """Return a quotient that is not below zero as a whole number, a half rounded up.

    The commercial rule (DIN 1333), exact because nothing is ever a binary fraction.
    """
    return (2 * numerator + denominator) // (2 * denominator)
