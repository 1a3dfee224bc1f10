"""E-mail addresses: what a message could be sent to, no more (only delivery proves the rest)."""

import re

from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import require_storable

MAX_EMAIL_LENGTH = 254
"""RFC 5321's longest path, in characters."""

_EMAIL = re.compile(
    r"[^\s@<>()\[\],;:\\\"]{1,64}@(?:[^\s@.<>()\[\],;:\\\"]{1,63}\.)+[^\s@.<>()\[\],;:\\\"]{2,63}"
)


def check_email(email: str, *path: str) -> str:
    """Return an address stripped; raises InvalidInput when nothing could be sent to it."""
    cleaned = require_storable(email.strip(), MAX_EMAIL_LENGTH, *path)
    if not _EMAIL.fullmatch(cleaned):
        raise InvalidInput("is not an e-mail address", *path)
    return cleaned
