/**
 * Follow Ordertide's subscriptions from a browser or Node: each event once, in order, through lost
 * connections. On graphql-ws and nothing else: copy this file into your project.
 *
 *     const live = createLiveClient({ url: "wss://shop.example/graphql", token });
 *     const document = "subscription ($after: String) { cartEvents(after: $after) { cursor kind } }";
 *     for await (const event of live.follow(document, {}, { after: saved })) {
 *       dealWith(event.data);
 *       save(event.cursor);
 *     }
 *
 * What is promised: from the cursor given on (else from the first event that came), every event is
 * handed over once and in order, however often the connection is lost or the server restarts in
 * between. Save the cursor after an event was dealt with and give it as `after` next time.
 *
 * What is not: without `after` the stream starts at now, and while no event has come yet there is no
 * cursor to resume with: a connection lost in that time starts at its own now. Where that matters, read
 * the query `eventCursor` first, then the state, and give the cursor as `after`.
 *
 * Everything that reconnecting can mend is mended; what it cannot is thrown as a LiveError.
 */

import { createClient } from "graphql-ws";
import type { Client, ClientOptions, FormattedExecutionResult, Sink, SubscribePayload } from "graphql-ws";

/** What a subscription delivered: its whole data, and the cursor to go on from after it. */
export interface LiveEvent<Data = Record<string, unknown>> {
  readonly data: Data;
  readonly cursor: string | null;
}

/** A GraphQL error as the server sends it. */
export interface LiveFault {
  readonly message: string;
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** A subscription that reconnecting cannot mend; `code` is a GraphQL error's code or a close code ("4403"). */
export class LiveError extends Error {
  override readonly name: string = "LiveError";
  constructor(readonly code: string, message: string, readonly errors: readonly LiveFault[] = []) {
    super(`${code}: ${message}`);
  }
}
/** The gap is longer than the server keeps events: read the current state, then follow from now. */
export class CursorExpired extends LiveError {
  override readonly name = "CursorExpired";
}
/** The document, a variable or the cursor is not valid. */
export class BadUserInput extends LiveError {
  override readonly name = "BadUserInput";
}
/** This needs a token. */
export class Unauthenticated extends LiveError {
  override readonly name = "Unauthenticated";
}
/** The token is not valid, has expired or was revoked, or lacks the permission. */
export class Forbidden extends LiveError {
  override readonly name = "Forbidden";
}
/** The server has too many connections of this app or address. */
export class TooMany extends LiveError {
  override readonly name = "TooMany";
}

const BY_CODE: Readonly<Record<string, typeof LiveError>> = {
  CURSOR_EXPIRED: CursorExpired,
  BAD_USER_INPUT: BadUserInput,
  UNAUTHENTICATED: Unauthenticated,
  FORBIDDEN: Forbidden,
  "4401": Unauthenticated,
  "4403": Forbidden,
  "4429": TooMany,
};
// Of the websocket's own, these say that one side sends what the other cannot take.
const FATAL_1XXX: ReadonlySet<number> = new Set([1002, 1003, 1007, 1008, 1009, 1010]);
// Of 44xx, what a client did wrong, only these may go well next time: a slow start, a stuck socket.
const MENDABLE_44XX: ReadonlySet<number> = new Set([4408, 4499]);

/** Where the cursor is in the data ("cartEvents.cursor"), and how the document's variable is called. */
export interface ResumeOptions {
  /** By default `cursor` of the data's only field. */
  readonly cursorPath?: string | undefined;
  /** By default "after". */
  readonly afterVariable?: string | undefined;
}

export interface FollowOptions extends ResumeOptions {
  /** The cursor to start after; without it the stream starts at now. */
  readonly after?: string | null | undefined;
  /** False for a subscription without cursors (inventoryChanged, stockChanged): after a loss it starts anew. */
  readonly resume?: boolean | undefined;
  /** Ends the stream, also while it waits. */
  readonly signal?: AbortSignal | undefined;
}

export interface LiveOptions {
  readonly url: string;
  /** An app's token, or what is asked for one before every connection. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** Node before 22 has no WebSocket of its own: give it `ws`. */
  readonly webSocketImpl?: unknown;
  /** Waits between attempts double from the shortest to the longest, a random half of each left out. */
  readonly shortestWaitMs?: number | undefined;
  readonly longestWaitMs?: number | undefined;
  /** How often the server is asked for a sign of life; 0 for never. */
  readonly pingMs?: number | undefined;
}

export interface LiveClient {
  /** A graphql-ws client that resumes: for Apollo's GraphQLWsLink, urql's subscriptionExchange and others. */
  readonly client: Client;
  follow<Data = Record<string, unknown>>(
    document: string,
    variables?: Readonly<Record<string, unknown>>,
    options?: FollowOptions,
  ): AsyncGenerator<LiveEvent<Data>, void, undefined>;
  dispose(): void | Promise<void>;
}

/** Return a client of one server; all its subscriptions share one connection, open while there are any. */
export function createLiveClient(options: LiveOptions): LiveClient {
  const waitMs = backoff(options.shortestWaitMs ?? 500, options.longestWaitMs ?? 30_000);
  const plain = createClient(connectionOptions(options, waitMs, () => plain.terminate()));
  return {
    client: resuming(plain),
    follow: (document, variables = {}, how = {}) => {
      const variable = how.afterVariable ?? "after";
      if ((how.resume ?? true) && !takes(document, variable)) {
        throw new TypeError(`the document takes no $${variable}, so it cannot resume: declare it, or resume: false`);
      }
      return follow(plain, waitMs, document, variables, how);
    },
    dispose: () => plain.dispose(),
  };
}

/**
 * Let every subscription of a graphql-ws client resume by itself: the newest cursor received is what a
 * reconnect sends as `after`. What takes no `$after` passes as it is.
 */
export function resuming(client: Client, options: ResumeOptions = {}): Client {
  const variable = options.afterVariable ?? "after";
  const subscribe: Client["subscribe"] = <Data, Extensions>(
    payload: SubscribePayload,
    sink: Sink<FormattedExecutionResult<Data, Extensions>>,
  ) => {
    if (!takes(payload.query, variable)) return client.subscribe<Data, Extensions>(payload, sink);
    // graphql-ws sends this very object again after a reconnect, so it has to be ours and up to date.
    const variables: Record<string, unknown> = { ...payload.variables };
    return client.subscribe<Data, Extensions>({ ...payload, variables }, {
      ...forwarded(sink),
      next(result) {
        const cursor = cursorIn(result.data, options.cursorPath);
        if (cursor !== null) variables[variable] = cursor;
        sink.next(result);
      },
    });
  };
  const iterate: Client["iterate"] = <Data, Extensions>(payload: SubscribePayload) =>
    results<Data, Extensions>({ subscribe }, payload);
  return { ...client, subscribe, iterate };
}

/** Whether connecting again may go well after this close code. */
export function isMendable(closeCode: number): boolean {
  if (closeCode >= 4400 && closeCode < 4500) return MENDABLE_44XX.has(closeCode);
  return !FATAL_1XXX.has(closeCode);
}

async function* follow<Data>(
  client: Client,
  waitMs: (failures: number) => number,
  document: string,
  variables: Readonly<Record<string, unknown>>,
  options: FollowOptions,
): AsyncGenerator<LiveEvent<Data>, void, undefined> {
  const variable = options.afterVariable ?? "after";
  const resume = options.resume ?? true;
  const resumed = resume ? resuming(client, options) : client;
  let after = options.after ?? variables[variable] ?? null;
  let failures = 0;
  while (!options.signal?.aborted) {
    const payload = { query: document, variables: resume ? { ...variables, [variable]: after } : variables };
    let restMs: number;
    try {
      for await (const result of results<Data>(resumed, payload, options.signal)) {
        // An event with errors was not read whole: it is asked for again, or given up.
        if (result.errors?.length) throw result.errors;
        const data = result.data as Data;
        const cursor = resume ? cursorIn(data, options.cursorPath) : null;
        if (resume && cursor === null) throw new TypeError("there is no cursor: select it, or give cursorPath");
        failures = 0;
        after = cursor;
        yield { data, cursor };
      }
      return;
    } catch (reason) {
      restMs = mendableAfterMs(reason);
      failures += 1;
    }
    await rest(Math.max(restMs, waitMs(failures)), options.signal);
  }
}

/** The results of one operation in order, however slowly they are taken; the generator's end unsubscribes. */
async function* results<Data, Extensions = unknown>(
  client: Pick<Client, "subscribe">,
  payload: SubscribePayload,
  signal?: AbortSignal,
): AsyncGenerator<FormattedExecutionResult<Data, Extensions>, void, undefined> {
  const waiting: FormattedExecutionResult<Data, Extensions>[] = [];
  let end: { reason?: unknown } | null = null;
  let wake = (): void => {};
  const finish = (how: { reason?: unknown }): void => {
    end ??= how;
    wake();
  };
  const stop = client.subscribe<Data, Extensions>(payload, {
    next: (result) => {
      waiting.push(result);
      wake();
    },
    error: (reason) => finish({ reason }),
    complete: () => finish({}),
  });
  const onAbort = (): void => finish({});
  signal?.addEventListener("abort", onAbort);
  try {
    for (;;) {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        if (signal?.aborted) return;
        yield next;
      }
      const ended = end as { reason?: unknown } | null;
      if (ended !== null && "reason" in ended) throw ended.reason;
      if (ended !== null) return;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    stop();
  }
}

/** Return how long to wait at least before trying again; throws what trying again cannot mend. */
function mendableAfterMs(reason: unknown): number {
  if (Array.isArray(reason)) {
    const faults = reason as LiveFault[];
    const waits = faults.map(({ message, extensions = {} }) => {
      if (extensions["code"] === "RATE_LIMITED") return 1000 * Number(extensions["retryAfterSeconds"] ?? 1);
      if (extensions["retryable"]) return 0;
      const code = String(extensions["code"] ?? "ERROR");
      throw new (BY_CODE[code] ?? LiveError)(code, message, faults);
    });
    return Math.max(0, ...waits);
  }
  const code = closeCodeOf(reason);
  if (code === null) throw reason;
  // graphql-ws itself gives up on some that may be mended, a ping that timed out on the server (1011) for one.
  if (isMendable(code)) return 0;
  throw new (BY_CODE[code] ?? LiveError)(String(code), (reason as CloseEvent).reason || "closed");
}

function connectionOptions(
  { url, token, webSocketImpl, pingMs = 15_000 }: LiveOptions,
  waitMs: (failures: number) => number,
  terminate: () => void,
): ClientOptions {
  let overdue: ReturnType<typeof setTimeout> | undefined;
  return {
    url,
    webSocketImpl,
    retryAttempts: Infinity,
    retryWait: (retries) => rest(waitMs(retries + 1)),
    // A refused connection is no close event, and would end everything if nobody said to retry.
    shouldRetry: (event) => isMendable(closeCodeOf(event) ?? 1006),
    connectionParams: async () => {
      const given = typeof token === "function" ? await token() : token;
      return given ? { authorization: `Bearer ${given}` } : {};
    },
    connectionAckWaitTimeout: 10_000,
    keepAlive: pingMs,
    on: {
      // A network that is gone does not say so: who does not answer in time is left.
      ping: (received) => {
        if (!received) overdue = setTimeout(terminate, pingMs);
      },
      pong: (received) => {
        if (received) clearTimeout(overdue);
      },
      closed: () => clearTimeout(overdue),
    },
  };
}

function backoff(shortestMs: number, longestMs: number): (failures: number) => number {
  return (failures) => Math.min(longestMs, shortestMs * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
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

function takes(document: string, variable: string): boolean {
  return new RegExp(`\\$${variable}\\b`).test(document);
}

function forwarded<T>(sink: Sink<T>): Sink<T> {
  return {
    next: (value) => sink.next(value),
    error: (reason) => sink.error(reason),
    complete: () => sink.complete(),
  };
}

function closeCodeOf(event: unknown): number | null {
  const code = typeof event === "object" && event !== null && "code" in event && "reason" in event ? event.code : null;
  return typeof code === "number" ? code : null;
}

/** The cursor at `path` ("a.b"), by default `cursor` of the data's only field; null where there is none. */
function cursorIn(data: unknown, path?: string): string | null {
  const steps = path?.split(".") ?? [...Object.keys(data ?? {}), "cursor"];
  let found: unknown = data;
  for (const step of steps) {
    found = typeof found === "object" && found !== null ? (found as Record<string, unknown>)[step] : undefined;
  }
  return typeof found === "string" ? found : null;
}
