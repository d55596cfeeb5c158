"""Have GPX among the formats of feeds."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ingest", "0008_scorecards_and_stand_ins"),
    ]

    operations = [
        migrations.AlterField(
            model_name="feed",
            name="format",
            field=models.CharField(
                choices=[
                    ("nmea", "AIS: NMEA 0183 sentences (AIVDM, AIVDO)"),
                    ("aisstream", "AIS: JSON of aisstream.io, one message a line"),
                    ("ais-csv", "AIS: CSV of authorities and services, or with columns that are named"),
                    ("ais-json", "AIS: JSON of BarentsWatch, Digitraffic, AISHub, gpsd, or GeoJSON points"),
                    ("ais-xml", "AIS: XML of AISHub"),
                    ("sbs", "aircraft: SBS-1 / BaseStation lines"),
                    ("beast", "aircraft: Mode S frames, Beast binary"),
                    ("avr", "aircraft: Mode S frames, AVR text"),
                    ("readsb", "aircraft: aircraft.json of readsb, dump1090 or ADSBx v2, lists and single objects"),
                    ("virtual-radar", "aircraft: AircraftList.json of Virtual Radar Server"),
                    ("readsb-trace", "aircraft: trace_full of readsb"),
                    ("opensky", "aircraft: OpenSky state vectors"),
                    ("opensky-csv", "aircraft: OpenSky state vectors as CSV"),
                    ("uat", "aircraft: UAT (978 MHz) as JSON lines of dump978-fa"),
                    ("tracks", "aircraft: track points, one JSON object a line"),
                    ("gpx", "tracks of GPX, each named for its vessel or aircraft"),
                ],
                default="nmea",
                help_text="what its bytes are",
                max_length=16,
            ),
        ),
    ]
