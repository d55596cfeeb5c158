"""`make chaos SEED=n MESSAGES=m`: everything is killed and frozen under live traffic, then every message is counted.

__main__   the command: servers, traffic, faults, reckoning      messages   sentences of which no two are of one ship
traffic    receivers that push and a recording that is read       stage      what a fault may touch, and what it noted
faults     what is killed and frozen, shuffled by the seed        reckoning  where every message is in the end

`make outage MINUTES=m RATE=n`: PostgreSQL is away under live traffic, then the backlog is worked off.

outage     the command             outage_run       its acts
outage_fleet  ships that a feed serves       outage_measures  what is read of the servers
"""
