"""Details of a cart: who buys, and where it goes."""

from dataclasses import dataclass, replace

from domain import addresses
from domain.addresses import Address
from domain.channels import check_locale
from domain.kernel.emails import check_email


@dataclass(frozen=True, slots=True)
class Details:
    """What cartUpdate sets; a field that `names` does not list stays as it is."""

    names: frozenset[str]
    email: str | None = None
    shipping_address: Address | None = None
    billing_address: Address | None = None
    locale: str | None = None


def checked_details(details: Details) -> Details:
    """Return details that can be stored; raises InvalidInput naming the field."""

    def checked(address: addresses.Address | None, name: str) -> addresses.Address | None:
        return None if address is None else addresses.check(address, name)

    return replace(
        details,
        email=None if details.email is None else check_email(details.email, "email"),
        shipping_address=checked(details.shipping_address, "shippingAddress"),
        billing_address=checked(details.billing_address, "billingAddress"),
        locale=None if details.locale is None else check_locale(details.locale),
    )
