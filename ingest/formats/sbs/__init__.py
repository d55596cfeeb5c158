"""SBS-1, the lines of BaseStation: `assembly` joins what an aircraft's lines say, `decoder` reads them."""
