// EventSource follows events: a line {id, event} for each, {opened} and {failed} for what becomes of it.
//   node event-source.mjs QUERY VARIABLES      LIVE_URL and LIVE_TOKEN ("" for none) come from the test

import { EventSource } from "eventsource";

const { LIVE_URL: url, LIVE_TOKEN: token } = process.env;
const [query, variables] = process.argv.slice(2);
const print = (line) => console.log(JSON.stringify(line));

const asking = new URLSearchParams({ query, variables });
const authorized = (address, init) =>
  fetch(address, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
const events = new EventSource(`${url.replace("ws", "http")}?${asking}`, token ? { fetch: authorized } : {});

events.addEventListener("open", () => print({ opened: true }));
events.addEventListener("next", ({ data, lastEventId }) => print({ id: lastEventId, event: JSON.parse(data) }));
events.addEventListener("complete", () => {
  events.close();
  print({ complete: true });
});
events.addEventListener("error", ({ code }) => {
  if (events.readyState === EventSource.CLOSED) print({ failed: code });
});
