"""Fault tests: real servers and the project's own programs, killed, frozen and cut off, and what must still hold.

processes  one started process with all its children: kill -9, freeze, thaw
server     PostgreSQL and Redis, one class each     pgbouncer  PgBouncer as docker-compose.yml ships it
servers    all of them for one test, and the environment under which the project uses them
proxy      a TCP proxy between a client and a server, with switchable faults
system     workers, web and collectors under a supervisor of the test's own
"""
