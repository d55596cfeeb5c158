"""Have the constraints of positions say what validators say: courses lie below 360 degrees, however closely."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0005_search_indexes"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="aircraftposition",
            name="aircraftposition_heading",
        ),
        migrations.RemoveConstraint(
            model_name="station",
            name="station_latitude",
        ),
        migrations.RemoveConstraint(
            model_name="station",
            name="station_longitude",
        ),
        migrations.RemoveConstraint(
            model_name="vessel",
            name="vessel_draught",
        ),
        migrations.RemoveConstraint(
            model_name="vesselposition",
            name="vesselposition_course",
        ),
        migrations.AddConstraint(
            model_name="aircraftposition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("heading__gte", 0), ("heading__lt", 360)), ("heading__isnull", True), _connector="OR"
                ),
                name="aircraftposition_heading",
            ),
        ),
        migrations.AddConstraint(
            model_name="station",
            constraint=models.CheckConstraint(
                condition=models.Q(("latitude__range", (-90, 90)), ("latitude__isnull", True), _connector="OR"),
                name="station_latitude",
            ),
        ),
        migrations.AddConstraint(
            model_name="station",
            constraint=models.CheckConstraint(
                condition=models.Q(("longitude__range", (-180, 180)), ("longitude__isnull", True), _connector="OR"),
                name="station_longitude",
            ),
        ),
        migrations.AddConstraint(
            model_name="vessel",
            constraint=models.CheckConstraint(
                condition=models.Q(("draught__range", (0, 25.5)), ("draught__isnull", True), _connector="OR"),
                name="vessel_draught",
            ),
        ),
        migrations.AddConstraint(
            model_name="vesselposition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("course__gte", 0), ("course__lt", 360)), ("course__isnull", True), _connector="OR"
                ),
                name="vesselposition_course",
            ),
        ),
    ]
