"""The demo shop: a real catalogue and a real trading day, replayed by shoppers over HTTP.

START HERE: app/demo.py puts the parts together. shop_data reads the files in data/ (their origin
and licence: data/NOTICE.md), stocking fills the database, processes runs the server, client speaks
to it, shoppers and replay live the day, watching and board follow it, screen shows it.
"""
