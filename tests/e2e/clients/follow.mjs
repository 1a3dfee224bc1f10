// Our TypeScript helper follows what the test tells it: a line {cursor, data} for each event, and at last
// {ended} or {error, code}.
//   node follow.mjs      LIVE_URL, LIVE_TOKEN, LIVE_DOCUMENT and LIVE_OPTIONS (JSON) come from the test

import WebSocket from "ws";
import { createLiveClient } from "./ordertide-live.js";

const { LIVE_URL: url, LIVE_TOKEN: token, LIVE_DOCUMENT: document, LIVE_OPTIONS: options } = process.env;
const { pauseMs = 0, ...how } = JSON.parse(options ?? "{}");
const print = (line) => console.log(JSON.stringify(line));

const live = createLiveClient({ url, token, webSocketImpl: WebSocket, shortestWaitMs: 100, longestWaitMs: 1000 });
try {
  for await (const event of live.follow(document, {}, how)) {
    print(event);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  print({ ended: true });
} catch (error) {
  print({ error: error.name, code: error.code ?? null });
}
await live.dispose();
process.exit(0);
