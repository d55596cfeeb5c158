"""Sources on sockets: a TCP client, receivers that connect to us, and datagrams."""
