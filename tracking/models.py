"""What we know: identities (vessels, aircraft, stations) and their positions.

Identities have natural keys, so nothing has to be looked up before a batch is stored. Positions are unique by
identity and time and are written in batches through `VesselPosition.objects.bulk_create(rows, update_conflicts=True)`
(see `tracking/positions/upsert.py` for the conflict rule). The column names are those of the seed; each help text gives
unit, range and reference. Database constraints repeat what `ingest/formats/common/ranges.py` promises.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, GinIndex, OpClass
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper

from tracking.access.api_keys import ApiKey  # noqa: F401  keys are no part of what we know, but a model all the same
from tracking.events.models import event, notices, rules  # noqa: F401  nor are events
from tracking.positions import bounds
from tracking.positions.changes import AircraftChange, VesselChange  # noqa: F401  nor are changes, but models too
from tracking.positions.mmsi import MmsiForm
from tracking.positions.upsert import PositionQuerySet
from tracking.registry.models import RegisteredAircraft  # noqa: F401  nor is what others say of them
from tracking.truth.models import Dispute, Jump, RefusedPosition, Unjudged  # noqa: F401  nor are verdicts

MMSI_MAX = 999_999_999


class NavigationStatus(models.IntegerChoices):
    """Navigational status of ITU-R M.1371-5, table 48; 15 ("undefined") is stored as NULL."""

    UNDER_WAY_ENGINE = 0, "under way using engine"
    AT_ANCHOR = 1, "at anchor"
    NOT_UNDER_COMMAND = 2, "not under command"
    RESTRICTED = 3, "restricted manoeuvrability"
    CONSTRAINED_DRAUGHT = 4, "constrained by her draught"
    MOORED = 5, "moored"
    AGROUND = 6, "aground"
    FISHING = 7, "engaged in fishing"
    UNDER_WAY_SAILING = 8, "under way sailing"
    RESERVED_HSC = 9, "reserved (HSC)"
    RESERVED_WIG = 10, "reserved (WIG)"
    TOWING_ASTERN = 11, "power-driven vessel towing astern"
    PUSHING_AHEAD = 12, "power-driven vessel pushing ahead"
    RESERVED_13 = 13, "reserved for future use"
    AIS_SART = 14, "AIS-SART, MOB or EPIRB active"
    UNDEFINED = 15, "undefined"


class Vessel(models.Model):
    """A ship, or anything else that reports as one, known by its MMSI."""

    mmsi = models.IntegerField(primary_key=True, help_text="Maritime Mobile Service Identity, 1 to 999999999")
    kind = models.CharField(
        max_length=16, choices=MmsiForm.choices, help_text="what the form of the MMSI says (ITU-R M.585)"
    )
    flag = models.CharField(
        max_length=2,
        blank=True,
        default="",
        db_default="",
        help_text="ISO 3166 country of the MMSI's maritime identification digits; empty: none",
    )
    name = models.CharField(
        max_length=20, blank=True, default="", db_default="", help_text="as transmitted, padding removed"
    )
    callsign = models.CharField(max_length=7, blank=True, default="", db_default="", help_text="radio call sign")
    imo = models.IntegerField(null=True, blank=True, help_text="IMO number with a valid check digit")
    ship_type = models.SmallIntegerField(
        null=True, blank=True, help_text="type of ship and cargo, 1 to 255 (ITU-R M.1371-5, table 53)"
    )
    to_bow = models.SmallIntegerField(
        null=True, blank=True, help_text="metres from the antenna to the bow, 511: or more"
    )
    to_stern = models.SmallIntegerField(null=True, blank=True, help_text="metres to the stern, 511: or more")
    to_port = models.SmallIntegerField(null=True, blank=True, help_text="metres to the port side, 63: or more")
    to_starboard = models.SmallIntegerField(
        null=True, blank=True, help_text="metres to the starboard side, 63: or more"
    )
    destination = models.CharField(
        max_length=20, blank=True, default="", db_default="", help_text="as entered by the crew"
    )
    draught = models.FloatField(null=True, blank=True, help_text="present maximum static draught, metres, 0.1 to 25.5")
    static_at = models.DateTimeField(
        null=True, blank=True, help_text="time of the latest static report, UTC; an older one only fills gaps"
    )
    eta = models.DateTimeField(
        null=True, blank=True, help_text="estimated time of arrival, UTC; the year is the one nearest to the report"
    )
    mothership = models.IntegerField(null=True, blank=True, help_text="MMSI of the mother ship of an auxiliary craft")
    first_seen = models.DateTimeField(help_text="time of the first report, UTC")
    last_seen = models.DateTimeField(help_text="time of the latest report, UTC, exact to about a minute")

    class Meta:
        ordering = ["mmsi"]
        constraints = [
            models.CheckConstraint(condition=Q(mmsi__range=(1, MMSI_MAX)), name="vessel_mmsi"),
            bounds.DRAUGHT.constraint("vessel", "draught", null=True),
        ]
        indexes = [
            # Search in admin and API, whatever the case of the letters: part of the name, beginning of the call sign.
            GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="vessel_name_part"),
            models.Index(OpClass(Upper("callsign"), name="text_pattern_ops"), name="vessel_callsign_start"),
            models.Index(fields=["imo"], name="vessel_imo"),  # the same search, by IMO number
            models.Index(fields=["-last_seen"], name="vessel_last_seen"),  # the lists' order
        ]

    def __str__(self) -> str:
        return f"{self.name or 'unnamed'} ({self.mmsi:09d})"


class Aircraft(models.Model):
    """An aircraft known by its ICAO address."""

    icao = models.CharField(
        primary_key=True,
        max_length=7,
        validators=[RegexValidator(r"^~?[0-9a-f]{6}$")],
        help_text="ICAO 24-bit address, six hex digits in lower case; ~ in front of an address that is not from ICAO",
    )
    callsign = models.CharField(
        max_length=8, blank=True, default="", db_default="", help_text="flight identification, latest heard"
    )
    registration = models.CharField(
        max_length=12, blank=True, default="", db_default="", help_text="tail number where a source gives it"
    )
    type_code = models.CharField(
        max_length=4, blank=True, default="", db_default="", help_text="ICAO type designator, such as A320"
    )
    category = models.CharField(
        max_length=2, blank=True, default="", db_default="", help_text="ADS-B emitter category, A0 to D7"
    )
    squawk = models.CharField(
        max_length=4,
        blank=True,
        default="",
        db_default="",
        help_text="transponder code, four octal digits, latest heard",
    )
    static_at = models.DateTimeField(
        null=True, blank=True, help_text="time of the latest report of these, UTC; an older one only fills gaps"
    )
    first_seen = models.DateTimeField(help_text="time of the first report, UTC")
    last_seen = models.DateTimeField(help_text="time of the latest report, UTC, exact to about a minute")

    class Meta:
        ordering = ["icao"]
        verbose_name_plural = "aircraft"
        constraints = [models.CheckConstraint(condition=Q(icao__regex=r"^~?[0-9a-f]{6}$"), name="aircraft_icao")]
        indexes = [
            # Search in admin and API by beginning of the flight and of the tail number, whatever the case.
            models.Index(OpClass(Upper("callsign"), name="text_pattern_ops"), name="aircraft_callsign_start"),
            models.Index(OpClass(Upper("registration"), name="text_pattern_ops"), name="aircraft_registration_start"),
            models.Index(fields=["-last_seen"], name="aircraft_last_seen"),  # the lists' order
        ]

    def __str__(self) -> str:
        return f"{self.callsign or self.registration or 'unknown'} ({self.icao})"


class Station(models.Model):
    """A base station (AIS type 4) or an aid to navigation (type 21): last position only, no history."""

    class Kind(models.TextChoices):
        BASE = "base", "base station"
        AID = "aid", "aid to navigation"

    mmsi = models.IntegerField(primary_key=True, help_text="Maritime Mobile Service Identity, 1 to 999999999")
    kind = models.CharField(max_length=4, choices=Kind.choices, help_text="base station or aid to navigation")
    name = models.CharField(max_length=34, blank=True, help_text="name of the aid, extension included")
    aid_type = models.SmallIntegerField(
        null=True, blank=True, help_text="type of aid, 1 to 31 (ITU-R M.1371-5, table 74)"
    )
    latitude = models.FloatField(null=True, blank=True, help_text="degrees north, WGS 84, -90 to 90")
    longitude = models.FloatField(null=True, blank=True, help_text="degrees east, WGS 84, -180 to 180")
    first_seen = models.DateTimeField(help_text="time of the first report, UTC")
    last_seen = models.DateTimeField(help_text="time of the latest report, UTC")

    class Meta:
        ordering = ["mmsi"]
        constraints = [
            models.CheckConstraint(condition=Q(mmsi__range=(1, MMSI_MAX)), name="station_mmsi"),
            bounds.LATITUDE.constraint("station", "latitude", null=True),
            bounds.LONGITUDE.constraint("station", "longitude", null=True),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.get_kind_display()} ({self.mmsi:09d})"


class Position(models.Model):
    """What positions of ships and of aircraft have in common."""

    # Django's key is `id`; in the database the unique constraint is the primary key, because a partitioned table's keys
    # must contain the partition column. The backend `tracking.postgresql` reads this flag.
    partitioned = True

    id = models.BigAutoField(primary_key=True)
    timestamp = models.DateTimeField(help_text="time of the position, UTC, milliseconds")
    latitude = models.FloatField(help_text="degrees north, WGS 84, -90 to 90")
    longitude = models.FloatField(help_text="degrees east, WGS 84, -180 to 180")
    received_at = models.DateTimeField(help_text="time the receiver heard it, UTC")
    source = models.CharField(max_length=32, help_text="label of the feed that won")
    score = models.SmallIntegerField(help_text="trust of the feed times quality of the message, 0 to 100")
    track = models.SmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="0: the main track; 1 to 8: another under the same identity at the same time; 9: accepted by hand;"
        " below 0: refused (-1 outlier, -2 repeat, -3 spoofed, -4 coarse, -5 null island, -6 by hand)",
    )

    heard_by = ArrayField(
        models.CharField(max_length=32),
        null=True,
        blank=True,
        editable=False,
        help_text="labels of the feeds that reported it, sorted; NULL: only `source` did",
    )

    objects = PositionQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"


class VesselPosition(Position):
    """One position of a vessel; unique by vessel and time, partitioned by day."""

    once_a_second = True  # so two places in one second contradict each other, and both are kept

    vessel = models.ForeignKey(
        Vessel, models.CASCADE, related_name="positions", db_constraint=False, db_index=False, help_text="who"
    )
    speed = models.FloatField(
        null=True, blank=True, help_text="speed over ground, knots, 0 to 102.2; SAR aircraft to 1022"
    )
    course = models.FloatField(null=True, blank=True, help_text="course over ground, degrees true, 0 to below 360")
    heading = models.SmallIntegerField(null=True, blank=True, help_text="true heading, degrees, 0 to 359")
    status = models.SmallIntegerField(
        null=True, blank=True, choices=NavigationStatus.choices, help_text="navigational status, 15 is stored as NULL"
    )

    class Meta(Position.Meta):
        constraints = [
            models.UniqueConstraint(fields=["vessel", "timestamp"], name="vesselposition_once"),
            *bounds.constraints("vesselposition", bounds.VESSEL_POSITION),
        ]
        indexes = [
            BrinIndex(fields=["timestamp"], name="vesselposition_time"),  # exports by time over all vessels
            models.Index(fields=["id"], name="vesselposition_id"),  # the admin's look-up by id
        ]

    def __str__(self) -> str:
        return f"{self.vessel_id:09d} at {self.timestamp:%Y-%m-%d %H:%M:%S}"


class AircraftPosition(Position):
    """One position of an aircraft; unique by aircraft and time, partitioned by day."""

    aircraft = models.ForeignKey(
        Aircraft, models.CASCADE, related_name="positions", db_constraint=False, db_index=False, help_text="who"
    )
    altitude = models.IntegerField(
        null=True,
        blank=True,
        help_text="feet, barometric, geometric only where no other is known; NULL on the ground",
    )
    ground_speed = models.FloatField(null=True, blank=True, help_text="speed over ground, knots, 0 to 4000")
    heading = models.FloatField(null=True, blank=True, help_text="track over ground, degrees true, 0 to below 360")
    vertical_rate = models.IntegerField(null=True, blank=True, help_text="feet per minute, climbing positive")
    on_ground = models.BooleanField(null=True, blank=True, help_text="on the ground; NULL: not known")

    class Meta(Position.Meta):
        verbose_name_plural = "aircraft positions"
        constraints = [
            models.UniqueConstraint(fields=["aircraft", "timestamp"], name="aircraftposition_once"),
            *bounds.constraints("aircraftposition", bounds.AIRCRAFT_POSITION),
        ]
        indexes = [
            BrinIndex(fields=["timestamp"], name="aircraftposition_time"),  # exports by time over all aircraft
            models.Index(fields=["id"], name="aircraftposition_id"),  # the admin's look-up by id
        ]

    def __str__(self) -> str:
        return f"{self.aircraft_id} at {self.timestamp:%Y-%m-%d %H:%M:%S}"


class ArchivedDay(models.Model):
    """A day of positions that lies in the archive: a file counts only with its row here."""

    class Kind(models.TextChoices):
        VESSEL = "vessel", "vessels"
        AIRCRAFT = "aircraft", "aircraft"

    kind = models.CharField(max_length=8, choices=Kind.choices, help_text="whose positions")
    day = models.DateField(help_text="day of the positions, UTC")
    rows = models.BigIntegerField(help_text="number of positions")
    bytes = models.BigIntegerField(help_text="size of the file, bytes")
    hash = models.CharField(max_length=32, help_text="sum of the hashes of all rows, whatever their order")
    at = models.DateTimeField(help_text="time of archiving, UTC")
    restored_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="time of the day's return to PostgreSQL for a while, UTC; NULL: it is not there",
    )

    class Meta:
        ordering = ["-day", "kind"]
        constraints = [models.UniqueConstraint(fields=["kind", "day"], name="archivedday_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.day}"
