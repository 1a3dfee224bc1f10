"""GraphQL over HTTP and websocket: routes, types, resolvers, limits and errors."""
