"""Conferences: opening, finding and ending them."""

from collections.abc import Callable

from ...tools.conferences import ConferenceFilter, CreateConference, EndConference, GetConference
from .commands import ListConferences
from .conference import Conference, JoinOptions
from .context import SandboxContext, forget_oldest
from .errors import conference_ended, conference_name_in_use, unknown_conference
from .legs import APPLICATION_NAME, Leg, Legs
from .responses import Answer, data, ok, page, time_filter

MAX_DURATION_S = 4 * 3600.0
"""Seconds after which every conference ends."""
MAX_PARTICIPANTS = 250
"""If its creation does not say."""


class Conferences:
    """Every conference there is or was."""

    def __init__(self, context: SandboxContext, legs: Legs) -> None:
        self._context = context
        self._legs = legs
        self.by_id: dict[str, Conference] = {}

    def get_conference(self, conference_id: str, region: str | None = None) -> Conference:
        """A conference by id, active or not. Raises `ApiError` (404)."""
        conference = self.by_id.get(conference_id)
        if conference is None or region not in (None, conference.region):
            raise unknown_conference(conference_id)
        return conference

    def active(self, id_or_name: str, region: str | None = None) -> Conference:
        """A conference that has not ended, by id or name. Raises `ApiError` (404, 422)."""
        named = None if id_or_name in self.by_id else self.active_by_name(id_or_name)
        return self.active_by_id(named.id if named else id_or_name, region)

    def active_by_id(self, conference_id: str, region: str | None = None) -> Conference:
        """A conference that has not ended, for the few commands that take no name. Raises `ApiError` (404, 422)."""
        conference = self.get_conference(conference_id, region)
        if conference.status == "completed":
            raise conference_ended(conference_id)
        return conference

    def active_by_name(self, name: str) -> Conference | None:
        active = (conference for conference in self.by_id.values() if conference.status != "completed")
        return next((conference for conference in active if conference.name == name), None)

    def create(self, command: CreateConference) -> Answer:
        leg = self._legs.live(command.call_control_id)
        self._legs.check_can_talk(leg)
        if self.active_by_name(command.name) is not None:
            raise conference_name_in_use(command.name)
        leg.remember(command.client_state)
        conference = self.start(
            leg,
            command.name,
            JoinOptions(),
            beep=command.beep_enabled,
            started=command.start_conference_on_create is not False,
            region=command.region or "US",
            max_participants=command.max_participants or MAX_PARTICIPANTS,
            lasts=min(MAX_DURATION_S, command.duration_minutes * 60) if command.duration_minutes else MAX_DURATION_S,
        )
        return data(conference.view())

    def start(
        self,
        leg: Leg,
        name: str,
        options: JoinOptions,
        *,
        started: bool = True,
        region: str = "US",
        max_participants: int = MAX_PARTICIPANTS,
        lasts: float = MAX_DURATION_S,
        beep: str | None = None,
    ) -> Conference:
        """Open a conference with a leg in it. `lasts` is in seconds."""
        now = self._context.now()
        conference = Conference(
            context=self._context,
            legs=self._legs,
            id=self._context.ids.uuid(),
            name=name,
            region=region,
            max_participants=max_participants,
            creator=leg,
            created_at=now,
            expires_at=now,
            updated_at=now,
            status="in_progress" if started else "init",
            beep=beep or "never",
        )
        conference.expiry = self._context.after(lasts, lambda: conference.end("time_exceeded"))
        conference.expires_at = conference.expiry.due
        self.by_id[conference.id] = conference
        forget_oldest(self.by_id, lambda old: old.status == "completed")
        self._legs.answer(leg)
        created = {**leg.ids(), "conference_id": conference.id}
        self._context.emit("conference.created", created)
        conference.admit(leg, options)
        return conference

    def list(self, command: ListConferences) -> Answer:
        matches = _filter(command.filter or ConferenceFilter())
        conferences = [
            conference
            for conference in reversed(self.by_id.values())
            if command.region in (None, conference.region) and matches(conference)
        ]
        conferences.sort(key=lambda conference: conference.expires_at, reverse=True)
        return page(conferences, Conference.view, command)

    def get(self, command: GetConference) -> Answer:
        return data(self.get_conference(command.conference_id, command.region).view())

    def end(self, command: EndConference) -> Answer:
        self.active_by_id(command.conference_id).end("ended_via_api")
        return ok()


def _filter(criteria: ConferenceFilter) -> Callable[[Conference], bool]:
    """A test of conferences. `type` says nothing about a conference and is ignored."""
    created = time_filter(criteria.occurred_at, "filter[occurred_at]")
    contains = criteria.application_name.contains if criteria.application_name else None

    def matches(conference: Conference) -> bool:
        legs = [participant.leg for participant in (*conference.present.values(), *conference.left)]
        return (
            criteria.name in (None, conference.name)
            and criteria.status in (None, conference.status)
            and criteria.connection_id in (None, conference.connection_id)
            and (contains is None or contains.lower() in APPLICATION_NAME.lower())
            and (criteria.from_ is None or any(leg.from_ == criteria.from_ for leg in legs))
            and (criteria.to is None or any(leg.to == criteria.to for leg in legs))
            and (criteria.leg_id is None or any(leg.call_leg_id == criteria.leg_id for leg in legs))
            and (
                criteria.application_session_id is None
                or any(leg.call_session_id == criteria.application_session_id for leg in legs)
            )
            and criteria.outbound_voice_profile_id is None
            and criteria.product in (None, "call_control")
            and criteria.failed is not True
            and created(conference.created_at)
        )

    return matches
