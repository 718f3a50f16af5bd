"""Calling rules: whom this server may call, and when, on the clocks of the person who is called."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import partial
from zoneinfo import ZoneInfo

from ....tools.numbers import country, lacks_country, party_keys, reached, time_zones
from ....tools.text import clean_id, count, listed
from .hours import DAYS, Hours, Window, next_opening
from .limits import Limit
from .rules import CallingRules

_DAY_S = 86_400.0
_MAX_NAMED_ZONES = 3


class CallingRule(StrEnum):
    """The rules, by the names under which a person can override them."""

    OPTOUT = "optout"
    """The person has opted out of calls."""
    COUNTRIES = "countries"
    HOURS = "hours"
    ATTEMPTS = "attempts"


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A calling rule that a call to a number would break now."""

    rule: CallingRule
    number: str
    why: str
    """A clause."""
    until: datetime | None = None
    """When the call is allowed; None: this is not known, or never."""
    may_override: bool = False
    """Whether a person may allow one call all the same."""

    @property
    def facts(self) -> tuple[str, str]:
        """What an approval is bound to. The time is not part of it, because it always changes."""
        return str(self.rule), self.number

    def __str__(self) -> str:
        when = "" if self.until is None else f" (allowed again from {_moment(self.until, self._zone)})"
        return f"calling rule {self.rule}: {clean_id(self.number)} {self.why}{when}"

    @property
    def _zone(self) -> ZoneInfo:
        zones = [zone for number in reached(self.number) for zone in time_zones(number)]
        return ZoneInfo(zones[0]) if zones and self.rule is CallingRule.HOURS else ZoneInfo("UTC")


class CallingPolicy:
    """The calling rules of all sources together. Each source's rules must hold, for all numbers that it does not
    exempt."""

    def __init__(self, rules: Sequence[CallingRules]) -> None:
        self.rules = tuple(source for source in rules if source != CallingRules())
        self.optout_files = tuple(dict.fromkeys(source.optout_file for source in self.rules if source.optout_file))

    def broken(self, number: str, now: datetime) -> list[BrokenRule]:
        """The rules on countries and hours that a call to a number breaks at this time (timezone-aware)."""
        concerned = [source for source in self.rules if not _is_exempt(number, source)]
        rules = [*self._wrong_country(number, concerned), *self._wrong_time(number, concerned, now)]
        if lacks_country(number) and any(source.attempts_per_day is not None for source in concerned):
            rules.append(BrokenRule(CallingRule.ATTEMPTS, number, "has no country code: who is called is not known"))
        return [self._with_override(rule) for rule in rules]

    def opted_out(self, number: str, why: str) -> BrokenRule:
        """The broken rule for a number that is on an opt-out list."""
        return self._with_override(BrokenRule(CallingRule.OPTOUT, number, why))

    def too_many_attempts(self, number: str, limit: Limit, until: datetime | None) -> BrokenRule:
        """The broken rule for a number that was called too often."""
        return self._with_override(BrokenRule(CallingRule.ATTEMPTS, number, f"may be called {limit.text}", until))

    def is_exempt(self, number: str) -> bool:
        """Whether every source with calling rules exempts a number."""
        return bool(self.rules) and all(_is_exempt(number, source) for source in self.rules)

    def attempt_limits(self, number: str, *, is_counted_only: bool = False) -> list[Limit]:
        """The limits on attempts to call a number, one for each telephone number that it may reach.

        `is_counted_only`: the attempt counts and is never refused.
        """
        most = [
            source.attempts_per_day
            for source in self.rules
            if source.attempts_per_day is not None and not _is_exempt(number, source)
        ]
        if not most:
            return []
        limit_text = f"{count(min(most), 'time')} in 24 hours"
        keys = reached(number) or (min(party_keys(number)),)
        return [
            Limit(f"attempts:{key}", 2**31 if is_counted_only else min(most), _DAY_S, 1, limit_text) for key in keys
        ]

    def _with_override(self, broken: BrokenRule) -> BrokenRule:
        concerned = [source for source in self.rules if not _is_exempt(broken.number, source)]
        overridable = bool(concerned) and all(str(broken.rule) in source.override for source in concerned)
        return BrokenRule(broken.rule, broken.number, broken.why, broken.until, overridable)

    @staticmethod
    def _wrong_country(number: str, rules: Sequence[CallingRules]) -> list[BrokenRule]:
        allowed = [set(source.countries) for source in rules if source.countries is not None]
        if not allowed:
            return []
        broken = partial(BrokenRule, CallingRule.COUNTRIES, number)
        allowed_by_all = allowed[0].intersection(*allowed[1:])
        allowed_text = ", ".join(sorted(allowed_by_all)) or "no country"
        codes = {country(reading) for reading in reached(number)} or {None}
        if None in codes:
            return [broken(f"is in a country that is not known, and calls go only to {allowed_text}")]
        wrong_codes = sorted(str(code) for code in codes if code not in allowed_by_all)
        return [broken(f"is in {wrong_codes[0]}, and calls go only to {allowed_text}")] if wrong_codes else []

    @staticmethod
    def _wrong_time(number: str, rules: Sequence[CallingRules], now: datetime) -> list[BrokenRule]:
        windows = [tuple(map(Window.parse, source.open)) for source in rules if source.open is not None]
        if not windows:
            return []
        broken = partial(BrokenRule, CallingRule.HOURS, number)
        allowed = ", and only ".join(
            " and ".join(window.text for window in source_windows) or "never" for source_windows in windows
        )
        zones = [zone for reading in reached(number) for zone in time_zones(reading)]
        if not zones:
            return [broken(f"is in a time zone that is not known, and calls are allowed only {allowed} there")]
        hours = [Hours(ZoneInfo(zone), source_windows) for zone in dict.fromkeys(zones) for source_windows in windows]
        closed = [place for place in hours if not place.is_open(now)]
        if not closed:
            return []
        times = [f"{_time(now, name)} in {name}" for name in dict.fromkeys(place.zone.key for place in closed)]
        maybe = "may be in several time zones: it" if len(set(zones)) > 1 else "is called where it"
        why = f"{maybe} is {listed(times, _MAX_NAMED_ZONES)}, and calls are allowed only {allowed} there"
        return [broken(why, next_opening(hours, now.astimezone(UTC)))]


def _is_exempt(number: str, source: CallingRules) -> bool:
    def is_listed(name: str) -> bool:
        return any(fnmatchcase(name, pattern.lower()) for pattern in source.exempt)

    # A spelling with which several numbers may be reached is exempt only if all of them are.
    numbers = reached(number)
    addresses = (key for key in party_keys(number) if not key.startswith("+"))
    return (
        is_listed(number.lower()) or any(map(is_listed, addresses)) or (bool(numbers) and all(map(is_listed, numbers)))
    )


def _time(moment: datetime, zone: str) -> str:
    local = moment.astimezone(ZoneInfo(zone))
    return f"{DAYS[local.weekday()].capitalize()} {local:%H:%M}"


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{DAYS[local.weekday()].capitalize()} {local:%Y-%m-%d %H:%M} {zone.key}"
