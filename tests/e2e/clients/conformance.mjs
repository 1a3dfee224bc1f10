// A library does what its users do, graphql-sse over server-sent events and the others over the websocket;
// each step prints one line of JSON.
//   node conformance.mjs graphql-ws | apollo | urql | graphql-sse
// LIVE_URL, LIVE_TOKEN, LIVE_AFTER (the cursor before the first event) and LIVE_CHANNEL come from the test.

import { ApolloClient, CombinedGraphQLErrors, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { Client as UrqlClient, fetchExchange, subscriptionExchange } from "@urql/core";
import { createClient as createEventsClient } from "graphql-sse";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const { LIVE_URL: url, LIVE_TOKEN: token, LIVE_AFTER: after, LIVE_CHANNEL: channel } = process.env;

// As in a browser, a message is an event of its own: ws alone handles all that came in one packet at once,
// and graphql-ws then releases an operation twice whose user leaves after the answer, before "complete".
class BrowserLike extends WebSocket {
  constructor(address, offered) {
    super(address, offered, { allowSynchronousEvents: false });
  }
}
globalThis.WebSocket = BrowserLike;

const QUERY = "query { channels { slug } }";
const MUTATION = "mutation ($channel: String!) { cartCreate(input: { channel: $channel }) { cart { id } } }";
const FOLLOW = "subscription ($after: String) { cartEvents(after: $after) { cursor kind cart { id } } }";
const WRONG = "subscription { nope }";

const print = (line) => console.log(JSON.stringify(line));
const codesOf = (errors) => errors.map((error) => error.extensions?.code);

// Each library as two functions: `once` resolves to {data} or {codes}; `follow` gives results until its
// return value is called. Every operation goes the library's way, none by plain HTTP.
const LIBRARIES = {
  "graphql-sse"() {
    const headers = { authorization: `Bearer ${token}` };
    const client = createEventsClient({ url: url.replace("ws", "http"), headers, retryAttempts: 0 });
    const follow = (query, variables, next, error) =>
      client.subscribe({ query, variables }, {
        next: (result) => (result.errors ? error(codesOf(result.errors)) : next(result)),
        error: (reason) => error(String(reason)),
        complete() {},
      });
    const once = (query, variables) =>
      new Promise((resolve, reject) => {
        let found;
        client.subscribe({ query, variables }, {
          next: (result) => (found = result),
          error: reject,
          complete: () => resolve(found.errors ? { codes: codesOf(found.errors) } : { data: found.data }),
        });
      });
    return { once, follow };
  },

  "graphql-ws"(socket) {
    const follow = (query, variables, next, error) =>
      socket.subscribe({ query, variables }, {
        next,
        error: (reason) => error(Array.isArray(reason) ? codesOf(reason) : String(reason)),
        complete() {},
      });
    const once = (query, variables) =>
      new Promise((resolve) => {
        let found;
        socket.subscribe({ query, variables }, {
          next: (result) => (found = result),
          error: (errors) => resolve({ codes: codesOf(errors) }),
          complete: () => resolve(found.errors ? { codes: codesOf(found.errors) } : { data: found.data }),
        });
      });
    return { once, follow };
  },

  apollo(socket) {
    const client = new ApolloClient({
      link: new GraphQLWsLink(socket),
      cache: new InMemoryCache(),
      defaultOptions: { query: { fetchPolicy: "no-cache" }, mutate: { fetchPolicy: "no-cache" } },
    });
    const codes = (error) => (CombinedGraphQLErrors.is(error) ? codesOf(error.errors) : String(error));
    const once = async (document, variables) => {
      const query = gql(document);
      const isMutation = query.definitions[0].operation === "mutation";
      try {
        const { data } = await (isMutation
          ? client.mutate({ mutation: query, variables })
          : client.query({ query, variables }));
        return { data };
      } catch (error) {
        return { codes: codes(error) };
      }
    };
    const follow = (query, variables, next, error) => {
      const following = client.subscribe({ query: gql(query), variables }).subscribe({
        next: (result) => (result.error ? error(codes(result.error)) : next(result)),
        error: (reason) => error(codes(reason)),
      });
      return () => following.unsubscribe();
    };
    return { once, follow };
  },

  urql(socket) {
    const client = new UrqlClient({
      url: url.replace("ws", "http"),
      preferGetMethod: false,
      exchanges: [
        subscriptionExchange({
          forwardSubscription: (request) => ({
            subscribe: (sink) => ({
              unsubscribe: socket.subscribe({ query: request.query, variables: request.variables }, sink),
            }),
          }),
          enableAllOperations: true,
        }),
        fetchExchange,
      ],
    });
    const codes = (error) => codesOf(error.graphQLErrors);
    const once = async (query, variables) => {
      const run = query.startsWith("mutation") ? client.mutation(query, variables) : client.query(query, variables);
      const { data, error } = await run.toPromise();
      return error ? { codes: codes(error) } : { data };
    };
    const follow = (query, variables, next, error) => {
      const take = (result) => (result.error ? error(codes(result.error)) : next(result));
      return client.subscription(query, variables).subscribe(take).unsubscribe;
    };
    return { once, follow };
  },
};

const withoutNames = ({ __typename, ...rest }) => rest;

async function main(library) {
  const socket = createClient({ url, retryAttempts: 0, connectionParams: { authorization: `Bearer ${token}` } });
  const { once, follow } = LIBRARIES[library](socket);

  print({ query: (await once(QUERY)).data.channels.map(withoutNames) });
  const made = (await once(MUTATION, { channel })).data.cartCreate.cart.id;
  print({ mutation: made });

  const seen = [];
  let wake;
  const stop = follow(FOLLOW, { after }, ({ data }) => {
    seen.push({ kind: data.cartEvents.kind, cart: data.cartEvents.cart.id });
    wake?.();
  }, (codes) => print({ unexpected: codes }));
  const see = async (cart) => {
    while (!seen.some((event) => event.cart === cart)) await new Promise((resolve) => (wake = resolve));
    return seen.find((event) => event.cart === cart);
  };
  print({ replayed: await see(made) });
  const later = (await once(MUTATION, { channel })).data.cartCreate.cart.id;
  print({ live: await see(later), expected: later });

  // The server does as it is told in order: what runs after the goodbye shows that it was heard.
  stop();
  const unheard = (await once(MUTATION, { channel })).data.cartCreate.cart.id;
  await once(QUERY);
  await new Promise((resolve) => setTimeout(resolve, 300));
  print({ heardAfterLeaving: seen.some((event) => event.cart === unheard) });

  const refusal = (document, variables) => new Promise((resolve) => follow(document, variables, resolve, resolve));
  print({ invalid: await refusal(WRONG, {}) });
  print({ badCursor: await refusal(FOLLOW, { after: "nonsense" }) });
  print({ queryRefused: (await once("query { nope }")).codes });
  await socket.dispose();
}

await main(process.argv[2]);
process.exit(0);
