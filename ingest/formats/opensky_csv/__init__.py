"""OpenSky's state vectors as CSV, as its data sets and its database give them: `assembly` takes lines, `decoder` reads
rows."""
