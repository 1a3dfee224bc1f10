/**
 * Follow one parcel from a phone, by its tracking token: where it is now, then each step once and in order.
 * On ordertide-live.ts, which lies beside it: copy both into your project.
 *
 *     for await (const step of followParcel({ url: "wss://shop.example/graphql", trackingToken, after: saved })) {
 *       show(step.parcel);
 *       save(step.cursor);
 *     }
 *
 * What is promised: without `after` the parcel as it is comes first (kind null), and every later step follows;
 * with it, every step after that cursor. Each comes once and in order, through lost connections and restarts
 * of the server. Where no websocket gets through, the parcel is asked for instead, every `pollMs`: what has
 * changed comes with kind null, and the steps themselves follow once there is a connection again.
 *
 * It ends when the parcel is delivered or canceled, and throws a LiveError when the token shows nothing.
 * For the battery: stop it (`signal`) while nobody looks, and start it again with the last cursor.
 */

import { BadUserInput, createLiveClient, CursorExpired, LiveError } from "./ordertide-live.js";
import type { LiveFault } from "./ordertide-live.js";

/** Where a parcel is; moments are ISO 8601, in UTC. */
export interface Parcel {
  readonly status: string;
  readonly carrier: string;
  readonly trackingNumber: string | null;
  readonly position: string | null;
  readonly isLate: boolean;
  readonly promisedFrom: string | null;
  readonly promisedUntil: string | null;
  readonly estimatedAt: string | null;
  readonly deliveredAt: string | null;
}

/** A step of a parcel, as it is now; kind null: it was asked for, nothing told of it. */
export interface ParcelStep {
  readonly kind: string | null;
  readonly parcel: Parcel;
  /** What to give as `after` next time. */
  readonly cursor: string;
}

export interface FollowParcelOptions {
  /** The websocket's address; queries go to the same by HTTP. */
  readonly url: string;
  readonly trackingToken: string;
  readonly after?: string | null | undefined;
  /** Ends it, also while it waits. */
  readonly signal?: AbortSignal | undefined;
  /** How often the parcel is asked for while there is no live connection. */
  readonly pollMs?: number | undefined;
  /** Node before 22 has no WebSocket of its own: give it `ws`. */
  readonly webSocketImpl?: unknown;
}

const FIELDS =
  "status carrier trackingNumber position isLate promisedFrom promisedUntil estimatedAt deliveredAt";
const QUERY = `query ($trackingToken: String!) { shipment(trackingToken: $trackingToken) { ${FIELDS} } }`;
const FOLLOW =
  "subscription ($trackingToken: String!, $after: String) {" +
  ` shipmentUpdated(trackingToken: $trackingToken, after: $after) { cursor kind shipment { ${FIELDS} } } }`;
const OVER: ReadonlySet<string> = new Set(["DELIVERED", "CANCELED"]);
const MENDABLE_STATUSES: ReadonlySet<string> = new Set(["408", "425", "429"]);
const SHORTEST_MS = 1_000;
const LONGEST_MS = 60_000;

interface Told {
  readonly shipmentUpdated: { readonly cursor: string; readonly kind: string; readonly shipment: Parcel };
}

/** Return the steps of a parcel, until it has arrived. */
export async function* followParcel(options: FollowParcelOptions): AsyncGenerator<ParcelStep, void, undefined> {
  let after = options.after ?? null;
  for (;;) {
    if (after === null) {
      const read = await start(options);
      if (read === null) return;
      yield read;
      if (OVER.has(read.parcel.status)) return;
      after = read.cursor;
    }
    try {
      yield* steps(options, after);
      return;
    } catch (error) {
      // Away for longer than steps are kept: what is missed is not told, where the parcel is now is.
      if (!(error instanceof CursorExpired)) throw error;
      after = null;
    }
  }
}

/** The steps after a cursor; while there is no connection, also what asking finds changed. */
async function* steps(
  { url, trackingToken, signal, pollMs = LONGEST_MS, webSocketImpl }: FollowParcelOptions,
  after: string,
): AsyncGenerator<ParcelStep, void, undefined> {
  const live = createLiveClient({ url, webSocketImpl, shortestWaitMs: SHORTEST_MS, longestWaitMs: LONGEST_MS });
  const stop = new AbortController();
  const onAbort = (): void => stop.abort();
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted) stop.abort();
  let isLive = false;
  live.client.on("connected", () => (isLive = true));
  live.client.on("closed", () => (isLive = false));
  let cursor = after;
  let shown = "";
  const told = live.follow<Told>(FOLLOW, { trackingToken }, { after, signal: stop.signal });
  try {
    let next = told.next();
    for (;;) {
      const won = await within(next, pollMs);
      if (won === null) {
        const parcel = isLive ? null : await ask(url, trackingToken, signal).catch(onlyIfFinal);
        if (parcel === null) continue;
        if (JSON.stringify(parcel) === shown) {
          // It has arrived, and in all that time there was no connection to tell the steps.
          if (OVER.has(parcel.status)) return;
          continue;
        }
        shown = JSON.stringify(parcel);
        yield { kind: null, parcel, cursor };
        continue;
      }
      if (won.done) return;
      const { kind, shipment } = won.value.data.shipmentUpdated;
      cursor = won.value.data.shipmentUpdated.cursor;
      shown = JSON.stringify(shipment);
      yield { kind, parcel: shipment, cursor };
      // By the step, not by the parcel: it may have moved on while steps before are still told.
      if (kind === "ShipmentDelivered" || kind === "ShipmentCanceled") return;
      next = told.next();
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    stop.abort();
    await live.dispose();
  }
}

/** The parcel as it is, with a cursor from before it was read; null if that was given up. */
async function start({ url, trackingToken, signal }: FollowParcelOptions): Promise<ParcelStep | null> {
  for (let failures = 1; !signal?.aborted; failures += 1) {
    try {
      const { eventCursor } = await post<{ eventCursor: string }>(url, "{ eventCursor }", {}, signal);
      return { kind: null, parcel: await ask(url, trackingToken, signal), cursor: eventCursor };
    } catch (error) {
      onlyIfFinal(error);
    }
    const longest = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** Math.min(failures - 1, 16));
    await rest(longest * (0.5 + Math.random() / 2), signal);
  }
  return null;
}

async function ask(url: string, trackingToken: string, signal?: AbortSignal): Promise<Parcel> {
  const { shipment } = await post<{ shipment: Parcel }>(url, QUERY, { trackingToken }, signal);
  return shipment;
}

async function post<Data>(
  url: string,
  query: string,
  variables: Readonly<Record<string, unknown>>,
  signal?: AbortSignal,
): Promise<Data> {
  const response = await fetch(url.replace(/^ws/, "http"), {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json" },
    body: JSON.stringify({ query, variables }),
    ...(signal ? { signal } : {}),
  });
  // A proxy's own answer is no JSON.
  const answer = (await response.json().catch(() => ({}))) as { data?: Data; errors?: LiveFault[] };
  const [fault] = answer.errors ?? [];
  if (fault === undefined && answer.data) return answer.data;
  const code = String(fault?.extensions?.["code"] ?? response.status);
  throw new (code === "BAD_USER_INPUT" ? BadUserInput : LiveError)(code, fault?.message ?? "no answer", answer.errors);
}

/** Throw what asking again cannot mend: the token shows nothing, or nobody answers GraphQL there. */
function onlyIfFinal(error: unknown): null {
  const refused = error instanceof LiveError && /^4\d\d$/.test(error.code) && !MENDABLE_STATUSES.has(error.code);
  if (refused || error instanceof BadUserInput) throw error;
  return null;
}

/** What was promised, or null if that takes longer. */
async function within<T>(promised: Promise<T>, ms: number): Promise<T | null> {
  const patience = new AbortController();
  try {
    return await Promise.race([promised, rest(ms, patience.signal).then(() => null)]);
  } finally {
    patience.abort();
  }
}

function rest(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done);
  });
}
