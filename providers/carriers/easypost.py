"""Many carriers through EasyPost, over EasyPost's own library, whose calls wait in threads.

EasyPost takes no idempotency keys. Our key is the `reference` of its shipment, by which it can be asked for
in place of the id; a shipment of EasyPost's is sold one label and no more. So a label is bought in two steps
that may each be repeated: find the shipment with our reference, else make it; buy its label unless it has
one.
docs/features/carriers.md has the settings and what EasyPost does not do.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final

from easypost.easypost_client import EasyPostClient
from easypost.errors.general.easypost_error import EasyPostError

from domain.carrier_ports import (
    CarrierRefused,
    CarrierUnavailable,
    Label,
    LabelRequest,
    Manifest,
    RateQuote,
    RateRequest,
    TrackingUpdate,
)
from providers.carriers import easypost_tracking
from providers.carriers.easypost_calls import is_code, raised
from providers.carriers.easypost_objects import (
    Object,
    format_of,
    label_of,
    plain,
    quotes_of,
    rate_of,
    rating,
    returning,
    selling,
)
from providers.carriers.kept_documents import KeptDocuments

API_BASE: Final = "https://api.easypost.com/v2"

_EXISTS: Final = "SHIPMENT.POSTAGE.EXISTS"
_GIVEN_BACK: Final = frozenset({"submitted", "refunded"})
# As many as a sweep of labels asks side by side.
_MOST_CALLS: Final = 20


class EasyPostCarrier:
    """EasyPost, as one account of it."""

    def __init__(
        self,
        api_key: str,
        *,
        webhook_secret: str | None = None,
        api_base: str = API_BASE,
        time_limit_seconds: float = 10,
    ) -> None:
        """Ask with `api_key` at `api_base`; without a `webhook_secret` every callback is refused."""
        self._api_key = api_key
        self._api_base = api_base
        self._webhook_secret = webhook_secret
        self._time_limit_seconds = time_limit_seconds
        # What EasyPost keeps is loaded from where its answers say.
        self._documents = KeptDocuments(api_base, time_limit_seconds=time_limit_seconds)
        # Threads of its own: while it hangs, those that everybody shares go on drawing and reckoning.
        self._pool = ThreadPoolExecutor(_MOST_CALLS, thread_name_prefix="easypost")
        # A client has a session of connections, which no two threads may share.
        self._threads = threading.local()

    def named_service(self, code: str) -> str:
        """Return a code that is CARRIER/SERVICE, as quotes have it; raises CarrierRefused for any other.

        Which services an account has, only a parcel's rates would tell.
        """
        carrier, _, service = code.partition("/")
        if not carrier.strip() or not service.strip():
            raise CarrierRefused("unknown_service", "is named CARRIER/SERVICE, as in USPS/Priority")
        return f"{carrier.strip()}/{service.strip()}"

    async def rates(self, request: RateRequest) -> Sequence[RateQuote]:
        """Return what every carrier asks for all parcels, of services that take each of them.

        Prices are in the currency of the carrier's account, whatever the request asks for.
        """
        made = await asyncio.gather(
            *(self._ask(_creating(rating(request, parcel))) for parcel in request.parcels)
        )
        return quotes_of(made)

    async def buy_label(self, key: str, request: LabelRequest) -> Label:
        """Buy the label of one parcel, once per key."""
        return await self._sold(key, request, selling)

    async def buy_return_label(self, key: str, request: LabelRequest) -> Label:
        """Buy the label of a parcel that comes back, once per key."""
        return await self._sold(key, request, returning)

    async def _sold(
        self, key: str, request: LabelRequest, params_of: Callable[[str, LabelRequest], Object]
    ) -> Label:
        shipment = await self._found(key)
        if shipment is None:
            shipment = await self._ask(_creating(params_of(key, request)))
        if not shipment.get("postage_label"):
            shipment = await self._bought(shipment, request.service_code)
        return await self._label(shipment)

    async def find_label(self, key: str) -> Label | None:
        """Return the label that was bought with `key`; None when that never arrived."""
        shipment = await self._found(key)
        if shipment is None or not shipment.get("postage_label"):
            return None
        return await self._label(shipment)

    async def void_label(self, reference: str) -> bool:
        """Ask for the money back; False where the carrier does not give it."""
        shipment = await self._ask(lambda easypost: easypost.shipment.retrieve(reference))
        if shipment.get("refund_status") in _GIVEN_BACK:
            return True
        try:
            refunded = await self._ask(lambda easypost: easypost.shipment.refund(reference))
        except CarrierRefused:
            return False
        return refunded.get("refund_status") in _GIVEN_BACK

    async def track(self, reference: str | None, tracking_number: str) -> Sequence[TrackingUpdate]:
        """Return everything it has told of a parcel so far; nothing for one it does not know."""
        if reference is not None:
            shipment = await self._ask(lambda easypost: easypost.shipment.retrieve(reference))
            tracker = shipment.get("tracker")
        else:
            found = await self._ask(lambda easypost: easypost.tracker.all(tracking_code=tracking_number))
            tracker = next(iter(found["trackers"]), None)
        return easypost_tracking.told(tracker) if tracker else []

    def read_tracking(
        self, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Sequence[TrackingUpdate]:
        """Return what a webhook tells of a parcel."""
        return easypost_tracking.read(self._webhook_secret, headers, body)

    async def close_out(self, key: str, references: Sequence[str]) -> Manifest:
        """Make the scan form of these parcels; those that are on one already are answered with it.

        `key` is not needed: EasyPost puts a shipment on one scan form at most.
        """
        if not references:
            raise CarrierRefused("no_parcels", "there is nothing to hand over")
        first = await self._ask(lambda easypost: easypost.shipment.retrieve(references[0]))
        form = first.get("scan_form")
        if not form:
            shipments = [{"id": one} for one in references]
            form = await self._ask(lambda easypost: easypost.scan_form.create(shipments=shipments))
        if not form.get("form_url"):
            raise CarrierUnavailable
        return Manifest(form["id"], await self._documents.load(form["form_url"]), format_of(form["form_url"]))

    async def _found(self, key: str) -> Object | None:
        try:
            return await self._ask(lambda easypost: easypost.shipment.retrieve(key))
        except CarrierRefused as refused:
            if is_code(refused, "NOT_FOUND"):
                return None
            raise

    async def _bought(self, shipment: Object, service_code: str) -> Object:
        """Buy the label of a shipment, at prices asked anew where it does not sell at those it has."""
        named = shipment["id"]
        try:
            return await self._buy(named, rate_of(shipment, service_code))
        except CarrierRefused as refused:
            if refused.code == _EXISTS:
                # Somebody was faster, under the same key: that is the label.
                return await self._ask(lambda easypost: easypost.shipment.retrieve(named))
            rates = await self._ask(lambda easypost: easypost.shipment.regenerate_rates(named))
        return await self._buy(named, rate_of({**shipment, "rates": rates["rates"]}, service_code))

    async def _buy(self, named: str, rate: Object) -> Object:
        return await self._ask(lambda easypost: easypost.shipment.buy(named, rate={"id": rate["id"]}))

    async def _label(self, shipment: Object) -> Label:
        url = shipment["postage_label"]["label_url"]
        return label_of(shipment, await self._documents.load(url), format_of(url))

    async def _ask(self, call: Callable[[EasyPostClient], Any]) -> Object:
        """Return what EasyPost answers, as plain JSON; raises CarrierRefused and CarrierUnavailable."""
        try:
            loop = asyncio.get_running_loop()
            return plain(await loop.run_in_executor(self._pool, lambda: call(self._client())))
        except EasyPostError as error:
            raise raised(error) from None

    def _client(self) -> EasyPostClient:
        client: EasyPostClient | None = getattr(self._threads, "client", None)
        if client is None:
            client = EasyPostClient(self._api_key, api_base=self._api_base)
            # The library says whole seconds; requests takes any.
            client.timeout = self._time_limit_seconds  # type: ignore[assignment]
            self._threads.client = client
        return client


def _creating(params: Object) -> Callable[[EasyPostClient], Any]:
    return lambda easypost: easypost.shipment.create(**params)
