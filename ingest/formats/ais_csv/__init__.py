"""AIS as CSV dumps of authorities: MarineCadastre, the Danish Maritime Authority, exactEarth.

`dialects` says how the columns of each are named and read, `assembly` turns lines into messages, `decoder` and `rows`
(many at once) turn them into reports.
"""
