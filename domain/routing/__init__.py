"""Where an order is sent from: the cheapest plan, its proof and its reasons, over plain arrays.

`problem` says what is asked and answered, `deciding` answers it, `explanation` says why not otherwise,
`batches` decides many orders over one stock, `stock_prices` learns what scarce stock is worth, and
`strategies` holds the ways to decide that a shop can choose from.
"""
