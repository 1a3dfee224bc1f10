"""Secret tokens of carts and orders: derived from the server's key, never stored, never logged."""

import base64
import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

_MAC_BYTES = 18
_VERSION_BYTES = 2
_MOMENT_BYTES = 5
"""Of the seconds since the epoch, which last for some thirty thousand years."""


@dataclass(frozen=True, slots=True)
class TokenSubject:
    """What a genuine token names; the generation must still be checked against the row."""

    id: UUID
    generation: int


class TokenSigner:
    """Makes and reads tokens for one kind of aggregate each call ("cart", "order").

    A token is base64url(id, generation, HMAC-SHA256 of kind, id and generation cut to 144 bits).
    """

    def __init__(self, secret_key: str) -> None:
        """Derive the signing key from `secret_key` (at least 32 characters)."""
        self._key = hashlib.sha256(b"ordertide tokens\0" + secret_key.encode()).digest()
        self._code_key = hashlib.sha256(b"ordertide codes\0" + secret_key.encode()).digest()
        self._address_key = hashlib.sha256(b"ordertide addresses\0" + secret_key.encode()).digest()

    def sign(self, kind: str, aggregate_id: UUID, generation: int) -> str:
        """Return the token of one aggregate."""
        body = aggregate_id.bytes + generation.to_bytes(_VERSION_BYTES, "big")
        return base64.urlsafe_b64encode(body + self._mac(kind, body)).decode()

    def read(self, kind: str, token: str) -> TokenSubject | None:
        """Return what `token` names, or None when it is not one of ours."""
        body = self._body(kind, token, 16 + _VERSION_BYTES)
        return TokenSubject(UUID(bytes=body[:16]), int.from_bytes(body[16:], "big")) if body else None

    def sign_until(self, kind: str, subject_id: UUID, expires_at: datetime) -> str:
        """Return a token that says itself until when it is good (to the second, never later)."""
        body = subject_id.bytes + int(expires_at.timestamp()).to_bytes(_MOMENT_BYTES, "big")
        return base64.urlsafe_b64encode(body + self._mac(kind, body)).decode()

    def read_until(self, kind: str, token: str) -> tuple[UUID, datetime] | None:
        """Return whom a token names and until when it is good, or None when it is not one of ours."""
        body = self._body(kind, token, 16 + _MOMENT_BYTES)
        if body is None:
            return None
        return UUID(bytes=body[:16]), datetime.fromtimestamp(int.from_bytes(body[16:], "big"), UTC)

    def code_hash(self, code: str) -> bytes:
        """Return what is stored of a secret code: who has only the database cannot even try codes."""
        return hmac.digest(self._code_key, code.encode("utf-8", "surrogatepass"), "sha256")

    def short_code(self, kind: str, aggregate_id: UUID, digits: int) -> str:
        """Return a code of so many digits that people can say: derived like a token, never stored.

        It can be guessed, so whoever takes it counts the attempts.
        """
        number = int.from_bytes(self._mac(f"{kind} code", aggregate_id.bytes), "big") % 10**digits
        return f"{number:0{digits}}"

    def address_number(self, address: str | None) -> int | None:
        """Return a number that stands for a client's address and does not tell it without our key.

        All of an IPv6 /64 has one, as that is what one customer of a network gets. None for what is
        no address (a socket's path, or unknown).
        """
        try:
            given = ipaddress.ip_address(address or "")
        except ValueError:
            return None
        kept = given.packed[:8] if given.version == 6 and given.ipv4_mapped is None else given.packed[-4:]
        return int.from_bytes(hmac.digest(self._address_key, kept, "sha256")[:8], "big", signed=True)

    def _body(self, kind: str, token: str, length: int) -> bytes | None:
        try:
            raw = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            return None
        body, mac = raw[:length], raw[length:]
        return body if hmac.compare_digest(mac, self._mac(kind, body)) else None

    def _mac(self, kind: str, body: bytes) -> bytes:
        return hmac.digest(self._key, kind.encode() + b"\0" + body, "sha256")[:_MAC_BYTES]
