"""History over HTTP: `timetravel` the state at a moment and films, `positions` whole spans in every format, `urls`."""
