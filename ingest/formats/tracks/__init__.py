"""Track points, one JSON object a line: `assembly` takes lines, `decoder` reads them."""
