"""UAT (978 MHz) as dump978-fa decodes it, one JSON object a message: `assembly` takes lines, `decoder` reads them."""
