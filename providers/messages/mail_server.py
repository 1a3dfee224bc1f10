"""Where a mail server is and how it is spoken to, read from its URL."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_PORTS = {"smtp": 587, "smtps": 465, "smtp+insecure": 25}


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server. `tls` is how it is spoken to: from the start, by STARTTLS, or (None) not at all."""

    host: str
    port: int
    tls: str | None
    user: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, url: str) -> "Server":
        """Read smtp://user:password@host:587 (STARTTLS demanded), smtps:// (TLS), smtp+insecure:// (neither).

        Raises ValueError for anything else, and for a log-in that would go unencrypted.
        """
        form = "write it as smtp://user:password@host:587, smtps://... or smtp+insecure://host:25"
        parsed = urlsplit(url)
        if parsed.scheme not in _PORTS or not parsed.hostname or parsed.path.strip("/") or parsed.query:
            raise ValueError(form)
        tls = {"smtp": "starttls", "smtps": "tls"}.get(parsed.scheme)
        if tls is None and parsed.username:
            raise ValueError("a password is not sent without encryption: use smtp:// or smtps://")
        return cls(
            parsed.hostname,
            parsed.port or _PORTS[parsed.scheme],
            tls,
            unquote(parsed.username) if parsed.username else None,
            unquote(parsed.password) if parsed.password else None,
        )
