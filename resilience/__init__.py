"""What to do when something fails: breaker, queue broker, dead letters. Knows no ship and no aircraft."""
