"""What a notification says: one title and one text an event, plain and short. Pure."""

from __future__ import annotations

from tracking.events.models.event import Event, EventKind

_WORDS = {
    EventKind.EMERGENCY: "Squawk {reference}: {means}",
    EventKind.DISTRESS: "{device}: distress call",
    EventKind.ENTERED: "Entered {geofence}",
    EventKind.LEFT: "Left {geofence}",
    EventKind.DWELLS: "In {geofence} for {minutes} minutes",
    EventKind.SPEED: "{speed:.1f} kn in {geofence}, where {limit:g} kn are allowed",
    EventKind.SIGHTED: "Sighted, on the list {watch_list}",
    EventKind.DARK: "Gone dark after {minutes} minutes; usually heard every {interval_seconds:.0f} s",
    EventKind.ENCOUNTER: "Will pass {other} at {cpa_nm:.2f} nm in {tcpa_minutes:.0f} minutes",
    EventKind.DISPUTE: "Two tracks under one identity",
    EventKind.SPOOFED: "{count} targets jumped to one place",
}


def title(event: Event) -> str:
    """Who and what, in one line."""
    return f"{who(event)}: {what(event)}"


def text(event: Event) -> str:
    """The same with place, time and feed."""
    lines = [what(event), who(event), f"{event.since:%Y-%m-%d %H:%M:%S} UTC"]
    if event.latitude is not None and event.longitude is not None:
        lines.append(f"{event.latitude:.5f}, {event.longitude:.5f}")
    if event.source:
        lines.append(f"heard by {event.source}")
    return "\n".join(lines)


def what(event: Event) -> str:
    """What happened; the plain name of the kind where a value is missing."""
    values = {"reference": event.reference, **event.values}
    try:
        said = _WORDS[EventKind(event.kind)].format_map(values)
    except (KeyError, ValueError):
        return event.get_kind_display()
    return f"{said} (a test)" if values.get("test") else said


def who(event: Event) -> str:
    """The names that are known, and the identity."""
    names = (event.values.get(field) for field in ("name", "callsign", "registration"))
    name = next((name for name in names if name), "")
    return f"{name} ({event.identity})" if name else event.identity
