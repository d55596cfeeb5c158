"""Bytes of one feed to self-contained messages, a module a format; the contract is `ingest.formats.Assembly`.

counting    the account of the lines, for all          lines      what formats of lines share
nmea        AIS sentences, by sentences                 ais_csv    AIS dumps as CSV
sbs         SBS-1 lines, merged by aircraft             tracks     track points, an object a line
modes       Mode S frames, by modes_state, modes_cpr    documents  JSON documents, by document_framing
aircraft_documents  readsb, trace_full, OpenSky         aisstream, aiscatcher  AIS as JSON
"""
