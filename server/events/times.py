"""Times in ISO 8601, as Telnyx and people write them. All are in UTC."""

from datetime import UTC, datetime


def iso(time: datetime) -> str:
    """A time to the millisecond, such as `2026-01-31T12:00:00.000Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_utc(time: datetime) -> datetime:
    """The same time in UTC. A time without an offset is taken as UTC. Raises `ValueError` beyond the calendar."""
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("is off the calendar") from None


def parse_time(text: str) -> datetime:
    """The time in an ISO 8601 text; `z` may be lower-case. Raises `ValueError` for any other text."""
    return to_utc(datetime.fromisoformat(text.upper()))
