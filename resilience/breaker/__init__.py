"""Circuit breakers: a pure step function, its state in Redis, and the guard around calls.

`registry` hands out breakers by name, `guard` is a breaker, `state` holds the rules, `store` keeps states in
Redis or in memory, `admin` shows them; `guarded` calls PostgreSQL behind one.
"""
