"""The wiring of carriers: which may be asked, and who posts the sandbox's callbacks."""

from importlib import import_module
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncEngine

from app.config import Settings
from app.sandbox import sandbox_secret
from domain.carrier_ports import Carrier, Carriers
from domain.kernel.late import late
from providers.carriers.sandbox import SandboxCarrier
from providers.carriers.sandbox_tracking import TrackingDeliverer
from providers.carriers.table_rate import TableRateCarrier
from services.context import ServiceContext
from worker.schedule import Job

if TYPE_CHECKING:
    from providers.carriers.easypost import EasyPostCarrier
else:
    EasyPostCarrier = late("providers.carriers.easypost:EasyPostCarrier")

_SECONDS_BETWEEN_DELIVERIES = 0.25


def carriers_of(settings: Settings, engine: AsyncEngine) -> Carriers:
    """Return the carriers that the settings name."""
    carriers: dict[str, Carrier] = {}
    if "table_rate" in settings.carriers:
        carriers["table_rate"] = TableRateCarrier(settings.carrier_label_name)
    if "sandbox" in settings.carriers:
        carriers["sandbox"] = SandboxCarrier(
            engine,
            day_seconds=settings.sandbox_carrier_day_seconds,
            callback_secret=sandbox_secret(settings),
        )
    if "easypost" in settings.carriers and settings.easypost_api_key is not None:
        secret = settings.easypost_webhook_secret
        carriers["easypost"] = EasyPostCarrier(
            settings.easypost_api_key.get_secret_value(),
            webhook_secret=secret.get_secret_value() if secret else None,
            api_base=settings.easypost_api_base,
            time_limit_seconds=settings.carrier_time_limit_seconds,
        )
    return carriers


def load_label_printer(settings: Settings) -> None:
    """Import what draws labels where carriers are set that need it; takes some tenths of a second.

    A worker does so before it works, or its first label would take that out of its carrier's time.
    """
    if {"table_rate", "sandbox"} & set(settings.carriers):
        import_module("providers.carriers.label_document")


def carrier_jobs(settings: Settings, engine: AsyncEngine) -> tuple[Job, ...]:
    """Return the job that posts the sandbox carrier's callbacks; none where no address is set."""
    if settings.sandbox_carrier_callback_url is None:
        return ()
    deliverer = TrackingDeliverer(engine, settings.sandbox_carrier_callback_url, sandbox_secret(settings))

    async def deliver(_context: ServiceContext) -> int:
        return await deliverer.deliver_due()

    return (Job("deliver_sandbox_tracking", _SECONDS_BETWEEN_DELIVERIES, deliver),)
