"""The table of registers: what one says of one aircraft."""

from django.db import models
from django.db.models import Q


class RegisteredAircraft(models.Model):
    """An aircraft as one register has it; several registers may have the same."""

    icao = models.CharField(max_length=6, help_text="ICAO 24-bit address, six hex digits in lower case")
    source = models.CharField(max_length=32, help_text="label of the register, all rows of which are replaced together")
    registration = models.CharField(max_length=12, blank=True, default="", help_text="tail number")
    type_code = models.CharField(max_length=4, blank=True, default="", help_text="ICAO type designator (Doc 8643)")
    operator = models.CharField(max_length=64, blank=True, default="", help_text="who operates it, else who owns it")
    military = models.BooleanField(default=False, help_text="whether the register calls it military")
    imported_at = models.DateTimeField(help_text="when the register was imported, UTC")

    class Meta:
        verbose_name_plural = "registered aircraft"
        constraints = [
            models.CheckConstraint(condition=Q(icao__regex=r"^[0-9a-f]{6}$"), name="registered_icao"),
            # Also the index by which addresses are looked up.
            models.UniqueConstraint(fields=["icao", "source"], name="registered_once"),
        ]
        indexes = [models.Index(fields=["source"], name="registered_source")]  # a register is replaced

    def __str__(self) -> str:
        return f"{self.registration or 'unknown'} ({self.icao})"
