"""The wiring of the sandbox payment provider: how it fails, and who posts its callbacks."""

import hmac

from sqlalchemy.ext.asyncio import AsyncEngine

from app.config import Settings
from providers.payments.sandbox import SandboxPayments
from providers.payments.sandbox_callbacks import SandboxDeliverer
from providers.payments.sandbox_desk import SandboxDesk
from providers.payments.sandbox_methods import Faults
from services.context import ServiceContext
from worker.schedule import Job

_SECONDS_BETWEEN_DELIVERIES = 0.25


def sandbox_provider(settings: Settings, engine: AsyncEngine) -> SandboxPayments:
    """Return the sandbox as the settings have it."""
    return SandboxPayments(
        engine,
        answer_delay_seconds=settings.sandbox_answer_delay_seconds,
        faults=Faults.parse(settings.sandbox_faults),
        callback_secret=sandbox_secret(settings),
    )


def sandbox_desk(settings: Settings, engine: AsyncEngine) -> SandboxDesk:
    """Return what people do at the sandbox by themselves."""
    return SandboxDesk(engine, Faults.parse(settings.sandbox_faults))


def sandbox_jobs(settings: Settings, engine: AsyncEngine) -> tuple[Job, ...]:
    """Return the job that posts the sandbox's callbacks; none where no address is set."""
    if settings.sandbox_callback_url is None:
        return ()
    deliverer = SandboxDeliverer(engine, settings.sandbox_callback_url, sandbox_secret(settings))

    async def deliver(_context: ServiceContext) -> int:
        return await deliverer.deliver_due()

    return (Job("deliver_sandbox_callbacks", _SECONDS_BETWEEN_DELIVERIES, deliver),)


def sandbox_secret(settings: Settings) -> str | bytes:
    """Return the key of callbacks: the one that is set, or one that every process makes the same."""
    if settings.sandbox_callback_secret is not None:
        secret = settings.sandbox_callback_secret.get_secret_value()
        return secret if secret.startswith("whsec_") else secret.encode()
    return hmac.digest(settings.signing_key().encode(), b"sandbox callbacks", "sha256")
