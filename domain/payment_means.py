"""What a storefront hands in to pay with, from the provider's own form: never a card number."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.kernel.errors import InvalidInput

MAX_TOKEN_LENGTH = 255
MAX_URL_LENGTH = 2048
MAX_REFERENCE_LENGTH = 64
_TOKEN = re.compile(r"[!-~]+")
# 12 to 19 digits (ISO/IEC 7812), however they are written apart.
_CARD_NUMBER = re.compile(r"(?:[0-9][ .-]?){11,18}[0-9]")
# An address to come back to: also an app's own (RFC 3986), but nothing that a browser would run.
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[!-~]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PaymentMeans:
    """The provider's name of a payment method, and where a shopper comes back to who is sent elsewhere.

    It is kept with the payment until that is decided, since a request that got lost is sent again.
    """

    token: str | None = field(default=None, repr=False)
    return_url: str | None = field(default=None, repr=False)
    reference: str | None = None
    """The number of the buyer's own purchase order."""

    def to_json(self) -> dict[str, str]:
        """Return what there is of it."""
        named = {"token": self.token, "returnUrl": self.return_url, "reference": self.reference}
        return {name: value for name, value in named.items() if value is not None}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any] | None) -> "PaymentMeans":
        """Return what `to_json` kept."""
        return cls(kept.get("token"), kept.get("returnUrl"), kept.get("reference")) if kept else cls()


NO_MEANS = PaymentMeans()


def means_in(token: str | None, return_url: str | None, reference: str | None = None) -> PaymentMeans:
    """Return what was handed in; raises InvalidInput naming the field that is wrong."""
    if token is not None:
        check_token(token, "payment", "token")
    if return_url is not None and (len(return_url) > MAX_URL_LENGTH or not _URL.fullmatch(return_url)):
        raise InvalidInput("must be an absolute URL", "payment", "returnUrl")
    if reference is not None:
        reference = reference.strip()
        if not 0 < len(reference) <= MAX_REFERENCE_LENGTH or not reference.isprintable():
            raise InvalidInput(
                f"must be 1 to {MAX_REFERENCE_LENGTH} printable characters", "payment", "reference"
            )
    return PaymentMeans(token, return_url, reference)


def check_token(token: str, *path: str) -> str:
    """Return a provider's own name of a card or account; raises InvalidInput at `path`."""
    if _CARD_NUMBER.fullmatch(token.strip()):
        raise InvalidInput("a card number may not be sent here", *path)
    if len(token) > MAX_TOKEN_LENGTH or not _TOKEN.fullmatch(token):
        raise InvalidInput("must be what the provider's form gave", *path)
    return token
