import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Aircraft",
            fields=[
                (
                    "icao",
                    models.CharField(
                        help_text="ICAO 24-bit address, six hex digits in lower case; ~ in front of an address that is not from ICAO",
                        max_length=7,
                        primary_key=True,
                        serialize=False,
                        validators=[django.core.validators.RegexValidator("^~?[0-9a-f]{6}$")],
                    ),
                ),
                (
                    "callsign",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="flight identification, latest heard",
                        max_length=8,
                    ),
                ),
                (
                    "registration",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="tail number where a source gives it",
                        max_length=12,
                    ),
                ),
                (
                    "type_code",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="ICAO type designator, such as A320",
                        max_length=4,
                    ),
                ),
                (
                    "category",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="ADS-B emitter category, A0 to D7",
                        max_length=2,
                    ),
                ),
                (
                    "squawk",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="transponder code, four octal digits, latest heard",
                        max_length=4,
                    ),
                ),
                (
                    "static_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="time of the latest report of these, UTC; an older one only fills gaps",
                        null=True,
                    ),
                ),
                ("first_seen", models.DateTimeField(help_text="time of the first report, UTC")),
                (
                    "last_seen",
                    models.DateTimeField(help_text="time of the latest report, UTC, exact to about a minute"),
                ),
            ],
            options={
                "verbose_name_plural": "aircraft",
                "ordering": ["icao"],
                "indexes": [
                    models.Index(fields=["callsign"], name="aircraft_callsign"),
                    models.Index(fields=["registration"], name="aircraft_registration"),
                    models.Index(fields=["-last_seen"], name="aircraft_last_seen"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("icao__regex", "^~?[0-9a-f]{6}$")), name="aircraft_icao")
                ],
            },
        ),
        migrations.CreateModel(
            name="Station",
            fields=[
                (
                    "mmsi",
                    models.IntegerField(
                        help_text="Maritime Mobile Service Identity, 1 to 999999999", primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("base", "base station"), ("aid", "aid to navigation")],
                        help_text="base station or aid to navigation",
                        max_length=4,
                    ),
                ),
                ("name", models.CharField(blank=True, help_text="name of the aid, extension included", max_length=34)),
                (
                    "aid_type",
                    models.SmallIntegerField(
                        blank=True, help_text="type of aid, 1 to 31 (ITU-R M.1371-5, table 74)", null=True
                    ),
                ),
                ("latitude", models.FloatField(blank=True, help_text="degrees north, WGS 84, -90 to 90", null=True)),
                ("longitude", models.FloatField(blank=True, help_text="degrees east, WGS 84, -180 to 180", null=True)),
                ("first_seen", models.DateTimeField(help_text="time of the first report, UTC")),
                ("last_seen", models.DateTimeField(help_text="time of the latest report, UTC")),
            ],
            options={
                "ordering": ["mmsi"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("mmsi__range", (1, 999999999))), name="station_mmsi"),
                    models.CheckConstraint(
                        condition=models.Q(("latitude__isnull", True), ("latitude__range", (-90, 90)), _connector="OR"),
                        name="station_latitude",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("longitude__isnull", True), ("longitude__range", (-180, 180)), _connector="OR"
                        ),
                        name="station_longitude",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Vessel",
            fields=[
                (
                    "mmsi",
                    models.IntegerField(
                        help_text="Maritime Mobile Service Identity, 1 to 999999999", primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("ship", "ship"),
                            ("group", "group of ships"),
                            ("coast", "coast station"),
                            ("sar_aircraft", "search and rescue aircraft"),
                            ("handheld", "handheld radio or diver"),
                            ("auxiliary", "craft of a mother ship"),
                            ("aid", "aid to navigation"),
                            ("sart", "search and rescue transmitter"),
                            ("mob", "man overboard device"),
                            ("epirb", "EPIRB"),
                            ("unknown", "unknown form"),
                        ],
                        help_text="what the form of the MMSI says (ITU-R M.585)",
                        max_length=16,
                    ),
                ),
                (
                    "flag",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="ISO 3166 country of the MMSI's maritime identification digits; empty: none",
                        max_length=2,
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="as transmitted, padding removed",
                        max_length=20,
                    ),
                ),
                (
                    "callsign",
                    models.CharField(blank=True, db_default="", default="", help_text="radio call sign", max_length=7),
                ),
                ("imo", models.IntegerField(blank=True, help_text="IMO number with a valid check digit", null=True)),
                (
                    "ship_type",
                    models.SmallIntegerField(
                        blank=True, help_text="type of ship and cargo, 1 to 255 (ITU-R M.1371-5, table 53)", null=True
                    ),
                ),
                (
                    "to_bow",
                    models.SmallIntegerField(
                        blank=True, help_text="metres from the antenna to the bow, 511: or more", null=True
                    ),
                ),
                (
                    "to_stern",
                    models.SmallIntegerField(blank=True, help_text="metres to the stern, 511: or more", null=True),
                ),
                (
                    "to_port",
                    models.SmallIntegerField(blank=True, help_text="metres to the port side, 63: or more", null=True),
                ),
                (
                    "to_starboard",
                    models.SmallIntegerField(
                        blank=True, help_text="metres to the starboard side, 63: or more", null=True
                    ),
                ),
                (
                    "destination",
                    models.CharField(
                        blank=True, db_default="", default="", help_text="as entered by the crew", max_length=20
                    ),
                ),
                (
                    "draught",
                    models.FloatField(
                        blank=True, help_text="present maximum static draught, metres, 0.1 to 25.5", null=True
                    ),
                ),
                (
                    "static_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="time of the latest static report, UTC; an older one only fills gaps",
                        null=True,
                    ),
                ),
                (
                    "eta",
                    models.DateTimeField(
                        blank=True,
                        help_text="estimated time of arrival, UTC; the year is the one nearest to the report",
                        null=True,
                    ),
                ),
                (
                    "mothership",
                    models.IntegerField(
                        blank=True, help_text="MMSI of the mother ship of an auxiliary craft", null=True
                    ),
                ),
                ("first_seen", models.DateTimeField(help_text="time of the first report, UTC")),
                (
                    "last_seen",
                    models.DateTimeField(help_text="time of the latest report, UTC, exact to about a minute"),
                ),
            ],
            options={
                "ordering": ["mmsi"],
                "indexes": [
                    models.Index(fields=["name"], name="vessel_name"),
                    models.Index(fields=["-last_seen"], name="vessel_last_seen"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("mmsi__range", (1, 999999999))), name="vessel_mmsi"),
                    models.CheckConstraint(
                        condition=models.Q(("draught__isnull", True), ("draught__range", (0, 25.5)), _connector="OR"),
                        name="vessel_draught",
                    ),
                ],
            },
        ),
    ]
