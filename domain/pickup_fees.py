"""What collecting costs: a fee of a store in a channel, in its currency and taxed as delivery is."""

from dataclasses import dataclass

from domain.kernel.money import Money


@dataclass(frozen=True, slots=True)
class PickupFee:
    """What is asked for collecting at the location with a code; zero: nothing."""

    location_code: str
    fee: Money
