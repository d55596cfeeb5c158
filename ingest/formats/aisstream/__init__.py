"""AIS as aisstream.io's JSON: `assembly` takes documents, `decoder` reads their messages."""
