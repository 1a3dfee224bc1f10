// The GraphQL IDE: queries and mutations by POST, subscriptions over the websocket at the same address.
// A token goes into the headers pane, {"authorization": "Bearer ..."}, and serves both.
"use strict";

const FIRST_QUERY = `# Ordertide. Ctrl-Space completes, Ctrl-Enter runs.
# A token belongs into the headers pane below: {"authorization": "Bearer ..."}

query Channels {
  channels {
    id
    slug
    name
    currency
  }
}
`;

const httpAddress = location.pathname;
const socketAddress = location.origin.replace(/^http/, "ws") + location.pathname;
const clients = new Map(); // one connection a token

function socketFor(authorization) {
  if (!clients.has(authorization)) {
    const connectionParams = authorization ? { authorization } : {};
    clients.set(authorization, graphqlWs.createClient({ url: socketAddress, connectionParams }));
  }
  return clients.get(authorization);
}

function isSubscription(request, document) {
  const operations = (document?.definitions ?? []).filter((one) => one.kind === "OperationDefinition");
  const chosen = operations.find((one) => one.name?.value === request.operationName) ?? operations[0];
  return chosen?.operation === "subscription";
}

async function post(request, headers) {
  const answer = await fetch(httpAddress, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(request),
  });
  return answer.json();
}

function fetcher(request, options) {
  const headers = Object.fromEntries(
    Object.entries(options?.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
  if (isSubscription(request, options?.documentAST)) {
    return socketFor(headers.authorization).iterate(request);
  }
  return post(request, headers);
}

ReactDOM.createRoot(document.getElementById("ide")).render(
  React.createElement(GraphiQL, { fetcher, defaultQuery: FIRST_QUERY, defaultEditorToolsVisibility: "headers" }),
);
