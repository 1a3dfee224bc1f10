"""Settings of customers' sign-ins, a part of `app.config.Settings`."""

from pydantic import Field
from pydantic_settings import BaseSettings

from domain.customers import SignInPolicy


class CustomerSettings(BaseSettings):
    """How long sign-ins of customers last, and how many codes they may ask for."""

    customer_code_seconds: float = Field(default=600, ge=120, le=3600)
    """How long a code that was mailed signs its customer in."""

    customer_token_seconds: float = Field(default=900, ge=60, le=24 * 3600)
    """How long a customer's access token is good, before another is had for the refresh token."""

    customer_session_seconds: float = Field(default=30 * 24 * 3600, ge=60, le=366 * 24 * 3600)
    """How long a customer stays signed in, however often the token is refreshed."""

    customer_codes_per_address: int = Field(default=6, ge=1, le=1000)
    """How many codes may be asked for of one e-mail address within an hour."""

    customer_codes_per_client: int = Field(default=30, ge=0)
    """How many codes one client address may ask for within an hour, apps' apart; 0 is no limit."""

    def sign_in_policy(self) -> SignInPolicy:
        """Return them as use cases are given them."""
        return SignInPolicy(
            self.customer_code_seconds,
            self.customer_token_seconds,
            self.customer_session_seconds,
            self.customer_codes_per_address,
            self.customer_codes_per_client,
        )
