// How each close of the server reaches a graphql-ws client: one line of JSON for each, as they come.
// A client does not break the protocol by itself, so its websocket is made to say what the case needs.
//   node close-codes.mjs CASE...      LIVE_URL comes from the test

import { createClient } from "graphql-ws";
import WebSocket from "ws";

const url = process.env.LIVE_URL;
const QUERY = JSON.stringify({ query: "subscription { inventoryChanged(channel: \"none\", skus: [\"A\"]) { sku } }" });
const INIT = '{"type":"connection_init"}';
const SUBSCRIBE = `{"id":"twice","type":"subscribe","payload":${QUERY}}`;

/** A WebSocket that sends `instead` where the client sends its connection_init, or follows it by `after`. */
function speaking({ instead, after = [], subprotocols }) {
  return class extends WebSocket {
    constructor(address, offered) {
      super(address, subprotocols ?? offered);
    }
    send(text) {
      const isInit = JSON.parse(text).type === "connection_init";
      for (const one of isInit && instead ? instead : [text]) super.send(one);
      if (isInit) for (const one of after) super.send(one);
    }
  };
}

const CASES = {
  "not-json": { instead: ["hello"] },
  "unknown-type": { after: ['{"type":"bogus"}'] },
  "subscribe-without-query": { after: ['{"id":"1","type":"subscribe","payload":{}}'] },
  "subscribe-before-init": { instead: [SUBSCRIBE] },
  "bad-token": { connectionParams: { authorization: "Bearer nobody" } },
  "no-subprotocol": { subprotocols: [] },
  "another-subprotocol": { subprotocols: ["graphql-ws"] },
  silence: { instead: [] },
  "same-id-twice": { after: [SUBSCRIBE, SUBSCRIBE] },
  "second-init": { after: [INIT] },
  "too-long": { after: ["x".repeat(70_000)] },
};

function closeOf(name) {
  const { connectionParams, ...how } = CASES[name];
  return new Promise((resolve) => {
    const client = createClient({
      url,
      webSocketImpl: speaking(how),
      connectionParams,
      lazy: false,
      retryAttempts: 0,
      onNonLazyError() {},
      on: { closed: (event) => resolve({ case: name, code: event.code, reason: event.reason }) },
    });
    setTimeout(() => resolve({ case: name, code: null, reason: "never closed" }), 20_000);
    // What the client makes of the close, beside the event.
    client.subscribe({ query: "{ __typename }" }, { next() {}, error() {}, complete() {} });
  });
}

await Promise.all(process.argv.slice(2).map(async (name) => console.log(JSON.stringify(await closeOf(name)))));
process.exit(0);
