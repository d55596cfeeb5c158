"""AIS that others decoded to JSON, one object a report: BarentsWatch, Digitraffic, AISHub, gpsd, JSON AIS, GeoJSON.

`assembly` takes documents, lines and server-sent events apart; `decoder` reads the objects, whatever their keys are;
`tracks` reads lines of GeoJSON point by point, and aircraft as this project exports them.
"""
