"""Idempotency keys as clients send them."""

from uuid import UUID

from domain.kernel.errors import InvalidInput
from domain.kernel.quantities import require_text

MAX_KEY_LENGTH = 255


def check_key(key: str) -> str:
    """Return an idempotency key; raises InvalidInput when it is blank, too long or not storable."""
    return require_text(key, MAX_KEY_LENGTH, "idempotencyKey")


def check_secret_key(key: str) -> str:
    """Return a key that nobody can guess, for answers that give out a secret.

    Raises InvalidInput unless it is a UUID.
    """
    try:
        return str(UUID(check_key(key)))
    except ValueError:
        raise InvalidInput("must be a UUID", "idempotencyKey") from None
