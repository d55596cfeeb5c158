"""Live state: the newest picture of every target, in RedisJSON.

`state` writes and reads it (by the scripts `write.lua` and `reap.lua`), `missed` marks that a write failed, `reload`
reads it back from PostgreSQL, `keeper` does so whenever it is incomplete. `nearest` finds what lies around a place.
`mirror` follows the `log` of changes and keeps what pages draw as `columns`. `echoes` (`echoes.lua`) tells which
reports of aircraft are one transmission. `panel` tells the desk.
"""
