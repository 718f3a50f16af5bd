"""Times in ISO 8601, as Telnyx writes them and as people give them; everything here is in UTC."""

from datetime import UTC, datetime


def iso(moment: datetime) -> str:
    """A moment to the millisecond, such as `2026-01-31T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_utc(moment: datetime) -> datetime:
    """The same moment in UTC; without an offset it is UTC already. Raises `ValueError` for one off the calendar."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is off the calendar") from None


def parse_time(text: str) -> datetime:
    """The moment that an ISO 8601 time names. Raises `ValueError` where it is none, or off the calendar."""
    return to_utc(datetime.fromisoformat(text))
