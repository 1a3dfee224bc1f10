"""Which jobs there are and how often each runs: the one place to look for what happens by itself."""

from services import (
    backorder_sweeps,
    cart_sweeps,
    claims,
    customer_sign_ins,
    customers,
    exchange_payments,
    fulfillment,
    idempotency,
    label_calls,
    manifests,
    order_holds,
    order_sweeps,
    payment_renewals,
    payment_sweep,
    payment_terms,
    pickups,
    reconciliation,
    reroutes,
    return_labels,
    return_settlement,
    return_work,
    returns,
    routing_batches,
    routing_prices,
    shipment_sweeps,
    stock_losses,
    stored_value_sweeps,
    tracking,
    unlinked_refund_payments,
)
from worker import notifications, payment_callbacks
from worker import tracking as tracking_jobs
from worker.schedule import Job

JOBS = (
    # Expired holds must be back on sale within 5 s, so they are looked for every second.
    Job("expire_holds", 1.0, cart_sweeps.expire_holds),
    Job("warn_of_ending_holds", 1.0, cart_sweeps.warn_of_ending),
    Job("abandon_carts", 1.0, cart_sweeps.abandon_idle),
    Job("expire_carts", 60.0, cart_sweeps.expire_abandoned),
    # A payment whose answer never came is found out within seconds of its provider's recovery.
    Job("settle_payments", 1.0, payment_sweep.settle_due),
    Job("settle_unlinked_refunds", 1.0, unlinked_refund_payments.settle_due),
    # A label whose carrier gave no answer is bought within seconds of its return; canceled ones go back.
    Job("buy_labels", 1.0, label_calls.buy_due),
    # Phones and staff see where a parcel is within a second of its carrier's word.
    Job("apply_tracking", 0.5, tracking.apply_due),
    Job("poll_carriers", 30.0, tracking.poll_due),
    # Promises are days: a minute does not matter.
    Job("tell_late_parcels", 60.0, tracking_jobs.tell_late),
    # Before what they build on is known they wait; staff and shoppers see the rest within a second.
    Job("apply_payment_callbacks", 0.5, payment_callbacks.apply),
    # Within a second or two of what they tell.
    Job("send_notifications", 1.0, notifications.send),
    # Somebody sits and waits for it.
    Job("send_sign_in_codes", 1.0, customer_sign_ins.send_due),
    # They lapse days ahead; minutes do not matter.
    Job("renew_authorizations", 60.0, payment_renewals.renew_expiring),
    # Terms are days: minutes do not matter.
    Job("tell_overdue_payments", 60.0, payment_terms.tell_overdue),
    Job("expire_waiting_orders", 60.0, order_sweeps.expire_waiting),
    Job("release_paid_orders", 5.0, order_holds.release_paid),
    # Orders that wait for units get what came in since, before carts take it.
    Job("refill_orders", 1.0, stock_losses.refill),
    Job("release_backorders", 1.0, backorder_sweeps.release_elsewhere),
    # Most are by their last parcel or payment; nobody waits for the others.
    Job("complete_orders", 60.0, shipment_sweeps.complete),
    # Parts of orders that were put off open within seconds of their moment.
    Job("open_scheduled_parts", 5.0, fulfillment.release_due),
    # Orders whose location cannot send them leave from another within seconds.
    Job("reroute_orders", 5.0, reroutes.reroute_due),
    # New orders of channels that want it are decided anew together, as long as nobody works on them.
    Job("route_in_batches", 60.0, routing_batches.decide_new),
    # What was held back for them and was not released in time: no order waits for a batch that fails.
    Job("release_held_back_orders", 60.0, routing_batches.release_overdue),
    # Once a night; looked for more often than that, so that a broken run goes on.
    Job("learn_stock_prices", 900.0, routing_prices.learn_due),
    # What waits to be collected waits for days: minutes do not matter.
    Job("remind_of_pickups", 60.0, pickups.remind),
    # Of these the process ended before it decided, or the provider answered late.
    Job("judge_returns", 5.0, returns.judge_due),
    # Whoever may send something back waits for it: at once, or within seconds of the carrier's return.
    Job("buy_return_labels", 2.0, return_labels.buy_due, frozenset({"ReturnLabelRequested"})),
    # Carriers give the money back within weeks.
    Job("give_back_return_labels", 60.0, return_labels.give_back_due),
    # Approved while a process of an earlier version still ran, which planned afterwards.
    Job("plan_returns", 60.0, return_labels.plan_due),
    Job("judge_claims", 5.0, claims.judge_due),
    Job("settle_returns", 2.0, return_settlement.settle_due),
    # Days: minutes do not matter.
    Job("remind_of_returns", 60.0, return_work.remind_due),
    Job("expire_returns", 60.0, returns.expire_due),
    Job("expire_exchanges", 60.0, exchange_payments.expire_due),
    # Once a day for each day, some hours after its end; looked for more often than that.
    Job("reconcile_payments", 900.0, reconciliation.reconcile_due),
    # Nothing can be paid with what has expired, whether its balance was taken yet or not.
    Job("expire_stored_values", 60.0, stored_value_sweeps.expire_due),
    # A carrier that did not answer is told again of the parcels it took.
    Job("settle_manifests", 60.0, manifests.settle),
    # Keys live for days, so that minutes do not matter; often enough that each run has little to do.
    Job("forget_idempotency_keys", 600.0, idempotency.forget_old),
    # Addresses of people who may be no customers at all go within the hour after they are counted no more.
    Job("forget_sign_ins", 600.0, customer_sign_ins.forget_old),
    Job("forget_customer_sessions", 3600.0, customers.forget_old),
)
"""Every scheduled job."""
