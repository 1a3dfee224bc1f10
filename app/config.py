"""Every setting, read once from the environment and handed on by the composition root.

Settings are variables with the prefix ORDERTIDE_; docs/operations.md says when to change which.
"""

import contextlib
import ipaddress
import os
import secrets
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.customer_settings import CustomerSettings
from domain.carts import MAX_UNITS
from domain.kernel.emails import check_email
from domain.kernel.errors import InvalidInput
from providers.messages.mail_server import Server
from providers.payments.sandbox_methods import Faults

PREFIX = "ORDERTIDE_"

_SECRET_KEY_BYTES = 32
_DAY_SECONDS = 24 * 60 * 60
_CARRIERS = ("table_rate", "sandbox", "easypost")
_BUS_SCHEMES = ("memory", "postgres", "postgresql", "redis", "rediss")


class ConfigurationError(Exception):
    """Settings that cannot work; `problems` has one line for each, naming the variable and what to do."""

    def __init__(self, problems: list[str]) -> None:
        """Take the problems, each a line that stands by itself."""
        super().__init__("\n".join(problems))
        self.problems = problems


def _default_home() -> Path:
    # A folder of its own also for root: PostgreSQL, which then runs as another user, must get at it.
    return Path("/var/lib/ordertide") if os.geteuid() == 0 else platformdirs.user_data_path("ordertide")


def _postgresql_url(value: str) -> str:
    try:
        backend = make_url(value).get_backend_name()
    except ArgumentError:
        backend = ""
    if backend not in {"postgresql", "postgres"}:
        raise ValueError("write it as postgresql://user:password@host:5432/database")
    return value


def _http_url(value: str) -> str:
    parsed = urlsplit(value)
    if parsed.scheme not in {"http", "https"} or not parsed.hostname or parsed.username or parsed.password:
        raise ValueError("write it as https://host/path, without a password")
    return value


def _bus_url(value: str) -> str:
    scheme, separator, _ = value.partition("://")
    if not separator or scheme not in _BUS_SCHEMES:
        raise ValueError("write it as memory://, postgres:// (the database's own), or redis://host:6379/0")
    return value


def _proxies(value: str) -> str:
    named = [one.strip() for one in value.split(",")]
    for one in named if named != ["*"] else []:
        try:
            ipaddress.ip_network(one)
        except ValueError:
            raise ValueError(
                "write it as addresses or networks, as in 10.0.0.5,172.16.0.0/12, or as * alone"
            ) from None
    return ",".join(named)


def _faults(value: str) -> str:
    Faults.parse(value)
    return value


def _carriers(value: tuple[str, ...]) -> tuple[str, ...]:
    if not set(value) <= set(_CARRIERS):
        raise ValueError(f"name carriers of {', '.join(_CARRIERS)}, with commas between")
    return value


def _mail_url(value: str) -> str:
    Server.parse(value)
    return value


def _email(value: str) -> str:
    try:
        return check_email(value)
    except InvalidInput as error:
        raise ValueError(error.message) from None


PostgresqlUrl = Annotated[str, AfterValidator(_postgresql_url)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
BusUrl = Annotated[str, AfterValidator(_bus_url)]
Proxies = Annotated[str, AfterValidator(_proxies)]
MailUrl = Annotated[str, AfterValidator(_mail_url)]
Email = Annotated[str, AfterValidator(_email)]
SandboxFaults = Annotated[str, AfterValidator(_faults)]


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())


class Settings(CustomerSettings):
    """What a deployment may choose. Get it from `load_settings`, which explains mistakes."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")

    home: Path = Field(default_factory=_default_home)
    """Where the embedded PostgreSQL and the secret key made for it live."""

    database_url: PostgresqlUrl | None = None
    """The PostgreSQL to use; without it an embedded one runs under `home`."""

    database_direct_url: PostgresqlUrl | None = None
    """The same database past a transaction pooler, for LISTEN, leases and migrations."""

    database_pool_size: int = Field(default=10, ge=1, le=200)
    """Connections each process keeps; a request uses at most one at a time."""

    database_statement_cache_size: int = Field(default=500, ge=0)
    """Prepared statements each connection keeps; 0 behind a transaction pooler such as pgbouncer."""

    migrate_on_start: bool = True
    """Whether every command that opens the database brings it to the newest revision first."""

    bus_url: BusUrl = "postgres://"
    """How processes wake each other: memory:// (one process), postgres:// (the database's own), redis://…"""

    secret_key: SecretStr | None = Field(default=None, min_length=32)
    """What the tokens of carts and orders are derived from; every process of a deployment needs the same."""

    host: str = "127.0.0.1"
    """The address to serve on."""

    port: int = Field(default=8000, ge=0, le=65535)
    """The port to serve on; 0 takes any free one."""

    trusted_proxies: Proxies = "127.0.0.1,::1"
    """Whose X-Forwarded-For is believed: addresses and networks with commas between, or * for anybody."""

    role: Literal["all", "api"] = "all"
    """What `serve` does: everything, or the API alone where `ordertide worker` does the rest."""

    ide: bool = False
    """Whether a browser that opens /graphql gets an IDE."""

    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """The longest HTTP body that is read."""

    request_timeout_seconds: float = Field(default=30, gt=0)
    """How long an HTTP request may take before the client is told to try again."""

    query_cost_limit: int = Field(default=50_000, ge=1)
    """What one GraphQL operation may cost: about as many fields as its answer has; four times at most."""

    rate_limit_per_second: float = Field(default=5000, ge=0)
    """Requests one address, or one app, may send each process a second on average; 0 is no limit."""

    rate_limit_burst: float = Field(default=10_000, ge=1)
    """Requests it may send at once."""

    connections_per_viewer: int = Field(default=1_000, ge=1)
    """Live connections (websockets, event streams) that one app may have to each process."""

    connections_per_address: int = Field(default=1_000, ge=1)
    """Live connections from one address to each process."""

    allowed_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    """Origins of the pages whose browsers may ask, comma separated; any when empty."""

    live_fast_path: bool = True
    """Whether live answers are written straight to the server's sockets; off, they go through ASGI."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""

    cart_hold_seconds: int = Field(default=900, ge=1)
    """How long a cart holds its stock after the shopper's last change."""

    cart_hold_max_seconds: int = Field(default=7200, ge=1)
    """How long a cart holds its stock at most, however often it changes."""

    cart_max_units: int = Field(default=MAX_UNITS, ge=1)
    """How many units one cart has at most, of all its lines together."""

    held_units_per_address: int = Field(default=0, ge=0)
    """How many units the carts of one client address hold together, apps' apart; 0 is no limit."""

    cart_abandon_seconds: int = Field(default=3600, ge=1)
    """How long after the shopper's last change a cart counts as abandoned."""

    order_approval_seconds: int = Field(default=7 * _DAY_SECONDS, ge=1)
    """How long an order may wait for approval; then it expires, its stock back on sale."""
    exchange_payment_days: float = Field(default=7, gt=0, le=365)
    """How long the rest of an exchange may stay unpaid once the other is back; then it is canceled."""
    pickup_reminder_days: float = Field(default=7, gt=0, le=365)
    """How long what is to be collected may wait before staff are told, and told again."""
    stock_price_days: int = Field(default=30, ge=1, le=365)
    """How many days' orders tell what scarce stock is worth."""
    stock_price_hour: int = Field(default=3, ge=0, le=23)
    """From which hour on, in UTC, that is learned each day."""
    payment_time_limit_seconds: float = Field(default=10, gt=0)
    """How long a payment provider may take to answer; then the outcome is found out later."""

    payment_give_up_seconds: float = Field(default=_DAY_SECONDS, gt=0)
    """How long a payment may stay undecided; then it is given up and its cart is open again."""

    payment_renew_before_seconds: float = Field(default=_DAY_SECONDS, gt=0)
    """How long before an authorization lapses it is renewed, of an open order not captured yet."""
    credit_check_url: HttpUrl | None = None
    """The company's own system that knows what business customers may owe."""

    credit_check_secret: SecretStr | None = None
    """What that system is shown, as a bearer token."""
    credit_check_seconds: float = Field(default=3, gt=0)
    """How long it may take to answer; then the order waits for a person."""

    tax_service_url: HttpUrl | None = None
    """The company's own service that computes taxes, for channels that take them from it."""

    tax_service_secret: SecretStr | None = None
    """What that service is shown, as a bearer token."""

    tax_service_seconds: float = Field(default=5, gt=0)
    """How long it may take to answer; then the shopper is told to try again."""

    carriers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_carriers)] = (
        "table_rate",
        "sandbox",
    )
    """Carriers that may be asked, comma separated, of table_rate, sandbox and easypost."""

    carrier_time_limit_seconds: float = Field(default=10, gt=0)
    """How long a carrier may take to answer; then the outcome is found out later."""

    carrier_quote_seconds: float = Field(default=2, gt=0)
    """How long a carrier may take to say what a cart's delivery costs; then it is left out."""

    delivery_quote_seconds: float = Field(default=1800, gt=0)
    """How long a cart may be delivered for what a carrier has quoted."""

    carrier_label_name: str = "Own delivery"
    """What stands on the labels of table_rate as the carrier's name."""

    sandbox_carrier_day_seconds: float = Field(default=0, ge=0)
    """How long a day of the sandbox carrier's parcels takes; at 0 they move only when told to."""

    sandbox_carrier_callback_url: HttpUrl | None = None
    """Where the background work posts what the sandbox carrier tells of parcels; nowhere without it."""

    easypost_api_key: SecretStr | None = None
    """The key of an EasyPost account; with it the carrier `easypost` may be named in ORDERTIDE_CARRIERS."""

    easypost_webhook_secret: SecretStr | None = None
    """What EasyPost signs its webhooks to us with; without it every one is refused."""

    easypost_api_base: HttpUrl = "https://api.easypost.com/v2"
    """Where EasyPost's API is: elsewhere only for a stand-in."""
    mail_url: MailUrl | None = None
    """The mail server that messages to customers go to; without it they are only logged."""

    mail_from: Email | None = None
    """The address that they are from."""

    mail_time_limit_seconds: float = Field(default=30, gt=0)
    """How long one message may take; then it is tried again."""

    sandbox_payments: bool = True
    """Whether the provider `sandbox` may be paid with: turn it off where real orders are taken."""

    payment_callback_grace_seconds: float = Field(default=900, gt=0)
    """How long a provider's callback may wait for what it builds on; then it is set aside for staff."""

    sandbox_answer_delay_seconds: float = Field(default=0, ge=0)
    """How long the sandbox takes to answer."""

    sandbox_faults: SandboxFaults = ""
    """How often the sandbox's method `ok` fails, and its callbacks come twice, late or in another order."""

    sandbox_callback_url: HttpUrl | None = None
    """Where the background work posts the sandbox's callbacks; nowhere without it."""

    sandbox_callback_secret: SecretStr | None = Field(default=None, min_length=32)
    """What the sandbox's callbacks are signed with; without it a key made from the secret key."""
    stripe_secret_key: SecretStr | None = None
    """The secret or restricted key of a Stripe account; with it the provider `stripe` may be paid with."""

    stripe_webhook_secret: SecretStr | None = None
    """What Stripe signs its webhooks to us with (whsec_...); without it every one is refused."""

    stripe_api_base: HttpUrl = "https://api.stripe.com"
    """Where Stripe's API is: elsewhere only for a stand-in."""

    feed_retention_seconds: int = Field(default=30 * _DAY_SECONDS, ge=1)
    """How long events stay readable; what a durable consumer has not read yet stays longer."""

    @property
    def embedded(self) -> bool:
        """Whether the embedded PostgreSQL is the database."""
        return self.database_url is None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.cart_hold_max_seconds < self.cart_hold_seconds:
            raise ValueError(
                f"{PREFIX}CART_HOLD_MAX_SECONDS ({self.cart_hold_max_seconds}) is less than "
                f"{PREFIX}CART_HOLD_SECONDS ({self.cart_hold_seconds}): raise it, or lower the other"
            )
        if self.embedded and self.database_direct_url is not None:
            raise ValueError(
                f"{PREFIX}DATABASE_DIRECT_URL goes with {PREFIX}DATABASE_URL, which is not set: set both"
            )
        for name, url, secret in (
            ("CREDIT_CHECK", self.credit_check_url, self.credit_check_secret),
            ("TAX_SERVICE", self.tax_service_url, self.tax_service_secret),
        ):
            if (url is None) != (secret is None):
                raise ValueError(
                    f"{PREFIX}{name}_URL and {PREFIX}{name}_SECRET go together: set both, or neither"
                )
        if "easypost" in self.carriers and self.easypost_api_key is None:
            raise ValueError(
                f"{PREFIX}EASYPOST_API_KEY is needed for the carrier easypost of {PREFIX}CARRIERS: set it too"
            )
        if (self.mail_url is None) != (self.mail_from is None):
            raise ValueError(f"{PREFIX}MAIL_URL and {PREFIX}MAIL_FROM go together: set both, or neither")
        if not self.embedded and self.secret_key is None:
            raise ValueError(
                f"{PREFIX}SECRET_KEY is needed with {PREFIX}DATABASE_URL, the same for every process: make "
                "one with python3 -c 'import secrets; print(secrets.token_urlsafe(32))' and keep it"
            )
        return self

    def signing_key(self) -> str:
        """Return the secret key; with the embedded database it is made at the first call.

        It is kept under `home`. Raises `ConfigurationError` where `home` cannot be written.
        """
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        path = self.home.expanduser() / "secret.key"
        try:
            return path.read_text() if path.exists() else _make_key(path)
        except OSError as error:
            problem = f"cannot keep a secret key in {path.parent} ({error.strerror}): set another folder"
            raise ConfigurationError([f"{PREFIX}HOME: {problem}"]) from error


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment; `overrides` (from the command line) win over it.

    Raises `ConfigurationError`, which names every variable that is wrong and says what to do.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise ConfigurationError([_explain(dict(detail)) for detail in error.errors()]) from None


def _explain(detail: dict[str, Any]) -> str:
    problem = str(detail["msg"]).removeprefix("Value error, ")
    if not detail["loc"]:
        return problem
    name = f"{PREFIX}{str(detail['loc'][0]).upper()}"
    # Neither URLs nor keys are repeated: they hold secrets, and this goes to logs.
    shown = "" if name.endswith(("_URL", "_KEY", "_SECRET")) else f" (it is {str(detail['input'])!r})"
    return f"{name}: {problem[:1].lower()}{problem[1:]}{shown}"


def _make_key(path: Path) -> str:
    """Make a key that only we can read; where another process is first, take that one's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".secret.") as draft:  # its mode is 0600
        draft.write(secrets.token_urlsafe(_SECRET_KEY_BYTES).encode())
        draft.flush()
        os.fsync(draft.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft.name)
    return path.read_text()
