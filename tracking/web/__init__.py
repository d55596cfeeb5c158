"""What stands between the network and the views.

`serving` starts and restarts the processes of the web server, `connections` is the server of one of them: how long and
how much a connection may hold. `attempts` limits log-ins and keys, `headers` writes what every response must say.
"""
