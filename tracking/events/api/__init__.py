"""`/api/events/`: `views` lists them, gives one, and what the map shows, `stream` tells of them, `urls` leads there."""
