"""Feeds (where messages come from), relays (where they go on to), batches (the ledger of what became of them), and the
ledger's closed days."""

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

REASONS_HELP = "counts by reason code"


class Format(models.TextChoices):
    """What the bytes of a source are."""

    NMEA = "nmea", "AIS: NMEA 0183 sentences (AIVDM, AIVDO)"
    AISSTREAM = "aisstream", "AIS: JSON of aisstream.io, one message a line"
    AIS_CSV = "ais-csv", "AIS: CSV of authorities and services, or with columns that are named"
    AIS_JSON = "ais-json", "AIS: JSON of BarentsWatch, Digitraffic, AISHub, gpsd, or GeoJSON points"
    AIS_XML = "ais-xml", "AIS: XML of AISHub"
    SBS = "sbs", "aircraft: SBS-1 / BaseStation lines"
    BEAST = "beast", "aircraft: Mode S frames, Beast binary"
    AVR = "avr", "aircraft: Mode S frames, AVR text"
    READSB = "readsb", "aircraft: aircraft.json of readsb, dump1090 or ADSBx v2, lists and single objects"
    VIRTUAL_RADAR = "virtual-radar", "aircraft: AircraftList.json of Virtual Radar Server"
    READSB_TRACE = "readsb-trace", "aircraft: trace_full of readsb"
    OPENSKY = "opensky", "aircraft: OpenSky state vectors"
    OPENSKY_CSV = "opensky-csv", "aircraft: OpenSky state vectors as CSV"
    UAT = "uat", "aircraft: UAT (978 MHz) as JSON lines of dump978-fa"
    TRACKS = "tracks", "aircraft: track points, one JSON object a line"
    GPX = "gpx", "tracks of GPX, each named for its vessel or aircraft"


class Feed(models.Model):
    """One source that `manage.py ingest` without arguments keeps running."""

    name = models.CharField(max_length=64, unique=True, help_text="what the operator calls it")
    url = models.CharField(
        max_length=500,
        help_text="tcp://host:port, tcp-listen://address:port, udp://address:port, http(s)://host/path, "
        "stream+http(s)://host/path, aisstream://key@, push://, sim://?ships=60, or file:///path",
    )
    format = models.CharField(
        max_length=16, choices=Format.choices, default=Format.NMEA, help_text="what its bytes are"
    )
    source = models.CharField(
        max_length=32,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9._-]+$", "Letters, digits, dots, dashes and underscores.")],
        help_text="the label its positions carry, at most 32 characters",
    )
    score = models.SmallIntegerField(
        default=80,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="trust, 1 to 100: the greater wins where two feeds report the same moment",
    )
    enabled = models.BooleanField(default=True, help_text="whether `manage.py ingest` runs it")
    poll_seconds = models.FloatField(
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(3600)],
        help_text="seconds between two requests of an http(s):// feed, 1 to 3600",
    )
    options = models.JSONField(
        default=dict,
        blank=True,
        help_text='http(s): {"headers": {…}, "oauth": {"token_url": "…", "client_id": "…", "client_secret": "…"}}; '
        'udp: {"senders": ["192.168.1.0/24"], "datagrams_per_second": 2000}; '
        'CSV: {"columns": "timestamp=t,mmsi=id,lat=y,lon=x"}; SBS recordings: {"zone": "Europe/Paris"}',
    )
    receiver_latitude = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(-90), MaxValueValidator(90)],
        help_text="antenna, degrees north; Mode S needs it for aircraft on the ground",
    )
    receiver_longitude = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(-180), MaxValueValidator(180)],
        help_text="antenna, degrees east",
    )
    key_hash = models.CharField(
        max_length=64, blank=True, editable=False, help_text="SHA-256 of the key that receivers push with, hexadecimal"
    )
    stands_in_for = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="stand_ins",
        help_text="run only while that feed is silent or failing",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(score__range=(1, 100)), name="feed_score"),
            models.CheckConstraint(condition=Q(poll_seconds__range=(1, 3600)), name="feed_poll_seconds"),
            models.CheckConstraint(
                condition=Q(receiver_latitude__isnull=True, receiver_longitude__isnull=True)
                | Q(receiver_latitude__range=(-90, 90), receiver_longitude__range=(-180, 180)),
                name="feed_receiver",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def only_receives(self) -> bool:
        """Receivers push to it; there is nothing that a collector could read."""
        return self.url.startswith("push://")


class RelayFormat(models.TextChoices):
    """What a relay speaks."""

    NMEA = "nmea", "AIS: NMEA 0183 sentences"
    BEAST = "beast", "aircraft: Mode S frames, Beast binary"
    SBS = "sbs", "aircraft: SBS-1 / BaseStation lines"
    SIGNAL_K = "signalk", "AIS: deltas of Signal K, one JSON object a line"


class Relay(models.Model):
    """One place that accepted messages are sent on to; `manage.py relay` keeps the enabled ones running."""

    name = models.CharField(max_length=64, unique=True, help_text="what the operator calls it")
    url = models.CharField(
        max_length=300,
        help_text="udp://host:port (NMEA and Signal K), tcp://host:port to connect to, or tcp-listen://address:port to "
        "be connected to",
    )
    format = models.CharField(
        max_length=8, choices=RelayFormat.choices, default=RelayFormat.NMEA, help_text="what it speaks"
    )
    enabled = models.BooleanField(default=True, help_text="whether `manage.py relay` runs it")
    feeds = models.CharField(
        max_length=500,
        blank=True,
        help_text="labels of the feeds it passes on, comma separated; empty: all that are not simulated",
    )
    positions = models.BooleanField(default=True, help_text="passes position reports on")
    static = models.BooleanField(default=True, help_text="passes static and voyage data on")
    stations = models.BooleanField(default=True, help_text="passes base stations and aids to navigation on")
    other = models.BooleanField(default=True, help_text="passes messages of other types on, where they came in raw")
    messages_per_second = models.FloatField(
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(100_000)],
        help_text="messages a second at most, the rest is dropped; 0: no limit",
    )
    max_age_seconds = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(86_400)],
        help_text="seconds after its acceptance for which a message is worth sending, 1 to 86400",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(messages_per_second__range=(0, 100_000)), name="relay_rate"),
            models.CheckConstraint(condition=Q(max_age_seconds__range=(1, 86_400)), name="relay_max_age"),
        ]

    def __str__(self) -> str:
        return self.name


class LedgerCounts(models.Model):
    """What is counted of lines and messages, with the last of the equations of `ingest/ledger/accounts.py`."""

    lines = models.BigIntegerField(default=0, help_text="lines or frames read")
    foreign = models.BigIntegerField(default=0, help_text="lines of other protocols")
    malformed = models.JSONField(default=dict, blank=True, help_text=f"lines refused, {REASONS_HELP}")
    sentences = models.BigIntegerField(default=0, help_text="lines that became part of a message")
    remarks = models.JSONField(default=dict, blank=True, help_text="oddities that cost no line, counts by code")

    messages = models.BigIntegerField(default=0, help_text="messages accepted")
    positions = models.BigIntegerField(default=0, help_text="position reports that passed validation")
    static = models.BigIntegerField(default=0, help_text="static and voyage reports")
    stations = models.BigIntegerField(default=0, help_text="reports of base stations and aids to navigation")
    other = models.BigIntegerField(default=0, help_text="messages of other types")
    rejected = models.JSONField(default=dict, blank=True, help_text=f"messages refused, {REASONS_HELP}")

    stored = models.BigIntegerField(default=0, help_text="positions that made a new row")
    merged = models.BigIntegerField(default=0, help_text="positions that changed an existing row")
    duplicate = models.BigIntegerField(default=0, help_text="positions that changed nothing")
    dead = models.BigIntegerField(default=0, help_text="positions waiting as dead letters")
    discarded = models.BigIntegerField(default=0, help_text="positions of discarded dead letters")

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(positions=F("stored") + F("merged") + F("duplicate") + F("dead") + F("discarded")),
                name="%(class)s_positions_add_up",
            )
        ]


class Batch(LedgerCounts):
    """One accepted batch and what became of its messages: a line of the ledger.

    The row is inserted at the beginning of the transaction that stores the batch, so a batch is booked exactly once
    however often it is delivered, and effects and counts are one.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False, help_text="made before acceptance")
    run = models.UUIDField(help_text="the run of a collector that accepted it")
    source = models.CharField(max_length=32, help_text="label of the feed")
    origin = models.CharField(max_length=200, blank=True, help_text="where the bytes came from, without credentials")
    format = models.CharField(max_length=16, help_text="what the messages are")
    accepted_at = models.DateTimeField(help_text="when the collector accepted it, UTC")
    booked_at = models.DateTimeField(help_text="when it was booked, UTC")

    offset = models.BigIntegerField(
        null=True, blank=True, help_text="where a recording goes on after this batch, bytes"
    )
    index = models.BigIntegerField(null=True, blank=True, help_text="number of the message at that offset")

    class Meta(LedgerCounts.Meta):
        abstract = False
        ordering = ["-booked_at"]
        verbose_name_plural = "batches"
        indexes = [
            models.Index(fields=["run"], name="batch_run"),  # a command waits for its own batches
            models.Index(fields=["source", "-booked_at"], name="batch_source"),  # accounts per feed, resume
            models.Index(fields=["-booked_at"], name="batch_booked"),  # the list in the admin, closing of days
            models.Index(  # where a recording goes on; only lines of recordings have an offset
                fields=["source", "origin", "-accepted_at", "-offset"],
                condition=Q(offset__isnull=False, index__isnull=False),
                name="batch_resume",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.messages} messages at {self.accepted_at:%Y-%m-%d %H:%M:%S}"


class RefusedMessage(models.Model):
    """A sample of the messages that a feed sent and that are refused for one reason; no more than a number of slots."""

    source = models.CharField(max_length=32, help_text="label of the feed")
    format = models.CharField(max_length=16, help_text="what the message is")
    reason = models.CharField(max_length=64, help_text="code of the reason, as the accounts have it")
    slot = models.SmallIntegerField(help_text="a number: a later sample takes the place of an earlier one")
    received_at = models.DateTimeField(help_text="when it was heard, UTC")
    raw = models.BinaryField(help_text="as it was received, cut off where it is very long")
    entered_at = models.DateTimeField(db_default=Now(), editable=False, help_text="when it was entered, UTC")

    class Meta:
        ordering = ["-entered_at"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["source", "reason", "slot"], name="refusedmessage_once")]
        indexes = [models.Index(fields=["-entered_at"], name="refusedmessage_entered")]  # the list's order, age

    def __str__(self) -> str:
        return f"{self.source}: {self.reason} at {self.received_at:%Y-%m-%d %H:%M:%S}"


class Scorecard(models.Model):
    """What a feed brought on one day, beside the others: one row a feed and day (UTC), written when the day is over."""

    source = models.CharField(max_length=32, help_text="label of the feed")
    day = models.DateField(help_text="UTC")
    heard = models.BigIntegerField(help_text="position reports of it")
    first = models.BigIntegerField(help_text="of them, those that made a new row")
    alone = models.BigIntegerField(help_text="positions that no other feed reported, about")
    refused = models.BigIntegerField(help_text="messages refused")
    delay_ms = models.IntegerField(null=True, help_text="median from the report to its reception, ms")
    sectors = models.JSONField(
        null=True,
        help_text="by bearing, 10 degrees each from north: furthest position and 95 of 100, nautical miles; "
        "NULL: the place of the antenna is not known",
    )

    class Meta:
        ordering = ["-day", "source"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["source", "day"], name="scorecard_once")]

    def __str__(self) -> str:
        return f"{self.source} on {self.day}"


class DayAccount(LedgerCounts):
    """The sums over those lines of the ledger that were rolled up: one row a feed and day of booking (UTC).

    Rolled up means that the lines are gone and counted here, both in one transaction (`ingest/ledger/closed_days.py`).
    A line is counted either here or in the ledger, so the account of a day is the sum of both.
    """

    source = models.CharField(max_length=32, help_text="label of the feed")
    day = models.DateField(help_text="day on which the batches were booked, UTC")
    batches = models.BigIntegerField(default=0, help_text="lines of the ledger that are summed up here")

    class Meta(LedgerCounts.Meta):
        abstract = False
        ordering = ["-day", "source"]
        constraints = [
            *LedgerCounts.Meta.constraints,
            models.UniqueConstraint(fields=["source", "day"], name="dayaccount_once"),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.messages} messages booked on {self.day}"
