"""AIS that others decoded to XML: the vessels of AISHub. `assembly` finds the elements, `decoder` reads them."""
