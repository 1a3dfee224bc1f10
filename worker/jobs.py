"""Which jobs there are and how often each runs: the one place to look for what happens by itself."""

from services import (
    cart_sweeps,
    fulfillment,
    idempotency,
    order_holds,
    order_sweeps,
    payment_renewals,
    payment_sweep,
    payment_terms,
    reconciliation,
    reroutes,
    routing_batches,
    stock_losses,
    stored_value_sweeps,
)
from worker import payment_callbacks
from worker.schedule import Job

JOBS = (
    # Expired holds must be back on sale within 5 s, so they are looked for every second.
    Job("expire_holds", 1.0, cart_sweeps.expire_holds),
    Job("warn_of_ending_holds", 1.0, cart_sweeps.warn_of_ending),
    Job("abandon_carts", 1.0, cart_sweeps.abandon_idle),
    Job("expire_carts", 60.0, cart_sweeps.expire_abandoned),
    # A payment whose answer never came is found out within seconds of its provider's recovery.
    Job("settle_payments", 1.0, payment_sweep.settle_due),
    # Before what they build on is known they wait; staff and shoppers see the rest within a second.
    Job("apply_payment_callbacks", 0.5, payment_callbacks.apply),
    # They lapse days ahead; minutes do not matter.
    Job("renew_authorizations", 60.0, payment_renewals.renew_expiring),
    # Terms are days: minutes do not matter.
    Job("tell_overdue_payments", 60.0, payment_terms.tell_overdue),
    Job("expire_waiting_orders", 60.0, order_sweeps.expire_waiting),
    Job("release_paid_orders", 5.0, order_holds.release_paid),
    # Orders whose units were lost get what came in since.
    Job("refill_orders", 5.0, stock_losses.refill),
    # Parts of orders that were put off open within seconds of their moment.
    Job("open_scheduled_parts", 5.0, fulfillment.release_due),
    # Orders whose location cannot send them leave from another within seconds.
    Job("reroute_orders", 5.0, reroutes.reroute_due),
    # New orders of channels that want it are decided anew together, as long as nobody works on them.
    Job("route_in_batches", 60.0, routing_batches.decide_new),
    # Once a day for each day, some hours after its end; looked for more often than that.
    Job("reconcile_payments", 900.0, reconciliation.reconcile_due),
    # Nothing can be paid with what has expired, whether its balance was taken yet or not.
    Job("expire_stored_values", 60.0, stored_value_sweeps.expire_due),
    # Keys live for days, so that minutes do not matter; often enough that each run has little to do.
    Job("forget_idempotency_keys", 600.0, idempotency.forget_old),
)
"""Every scheduled job."""
