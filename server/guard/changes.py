"""What has changed since a question was asked, in words."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from ...tools.text import count, quoted

Facts = Mapping[str, Any]
"""What was true when a question was asked, as `Situation.remembered` returns it."""

NO_FACTS: Facts = {"rooms": {}, "places": {}, "waiting": {}, "queues": {}}

_MAX_NAMED = 3
_UNNAMED = "what it would do or touch has changed"


def changes(before: Facts, now: Facts) -> str:
    """The differences as clauses: `+12025550121 has joined and +12025550122 has become the host`."""
    clauses = list(_changes(before, now)) or [_UNNAMED]
    more = [f"{len(clauses) - _MAX_NAMED} more changes"] if len(clauses) > _MAX_NAMED else []
    *first, last = [*clauses[:_MAX_NAMED], *more]
    return f"{', '.join(first)} and {last}" if first else last


def _changes(before: Facts, now: Facts) -> Iterator[str]:
    for id_, room in _common(before, now, "rooms"):
        yield from _room_changes(before["rooms"][id_], room)
    for leg, place in _common(before, now, "places"):
        if place != before["places"][leg]:
            yield f"the call is {place} now"
    for leg, (position, has_hung_up) in _common(before, now, "waiting"):
        was, had_hung_up = before["waiting"][leg]
        if has_hung_up != had_hung_up:
            yield "the caller has hung up"
        elif position != was:
            yield f"the caller is at place {position} of the queue, not {was}"
    for name, size in _common(before, now, "queues"):
        if size != before["queues"][name]:
            yield f"{count(size, 'call')} wait in {quoted(name)}, not {before['queues'][name]}"


def _common(before: Facts, now: Facts, kind: str) -> Iterator[tuple[str, Any]]:
    """The facts of a kind about things that are known at both times, as they are now."""
    earlier = before.get(kind, {})
    return ((key, value) for key, value in now.get(kind, {}).items() if key in earlier)


def _room_changes(before: Facts, now: Facts) -> Iterator[str]:
    people, people_before = now["people"], before["people"]
    joined = [who for leg, (who, _) in people.items() if leg not in people_before]
    departed = [who for leg, (who, _) in people_before.items() if leg not in people]
    head_count = f" ({count(len(people), 'person')} in the conference now)"
    for names, verb in ((joined, "joined"), (departed, "left")):
        if names:
            more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
            yield f"{', '.join(names[:_MAX_NAMED])}{more} {'has' if len(names) == 1 else 'have'} {verb}{head_count}"
            head_count = ""
    for leg, (who, states) in people.items():
        if leg in people_before:
            states_before = cast("list[str]", people_before[leg][1])
            yield from _person_changes(who, set(states_before), set(cast("list[str]", states)))
    if now["over"] and not before["over"]:
        yield "the conference has ended"
    if now["recording"] != before["recording"]:
        yield f"its recording is {now['recording'] or 'unknown'}, not {before['recording'] or 'unknown'}"


def _person_changes(who: str, before: set[str], now: set[str]) -> Iterator[str]:
    for state in sorted(now - before):
        yield f"{who} has become the host" if state == "host" else f"{who} is {_STATE_TEXTS.get(state, state)} now"
    for state in sorted(before - now):
        yield f"{who} is no longer {_STATE_TEXTS.get(state, state)}"


_STATE_TEXTS = {
    "host": "the host",
    "monitor": "a supervisor who listens",
    "whisper": "a supervisor who whispers",
    "barge": "a supervisor who speaks",
}
