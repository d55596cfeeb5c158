"""`/api/events/`: `views` lists them, gives one, and what the map shows; `urls` has the addresses."""
