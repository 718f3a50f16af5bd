"""Conferences: opening, finding and ending them."""

from collections.abc import Callable

from ...tools.conferences import ConferenceFilter, CreateConference, EndConference, GetConference, ListConferences
from .conference import Conference, JoinOptions
from .context import SandboxContext, forget_oldest
from .errors import impossible, not_found
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
        """A conference, open or not. Raises `ApiError` (404)."""
        conference = self.by_id.get(conference_id)
        if conference is None:
            raise not_found(f"There is no conference {conference_id}.")
        if region is not None and region != conference.region:
            raise not_found(f"There is no conference {conference_id} in region {region}.")
        return conference

    def active(self, conference_id: str, region: str | None = None) -> Conference:
        """A conference that has not ended. Raises `ApiError` (404, 422)."""
        conference = self.get_conference(conference_id, region)
        if conference.status == "completed":
            raise impossible("Conference has already ended", f"Conference {conference_id} has ended.")
        return conference

    def open_by_name(self, name: str) -> Conference | None:
        return next((one for one in self.by_id.values() if one.name == name and one.status != "completed"), None)

    def create(self, command: CreateConference) -> Answer:
        leg = self._legs.live_in_body(command.call_control_id)
        self._legs.check_can_talk(leg)
        if self.open_by_name(command.name) is not None:
            raise impossible("Conference name in use", f"A conference named '{command.name}' is open.", "name")
        leg.remember(command.client_state)
        conference = self.start(
            leg,
            command.name,
            JoinOptions(),
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
        entry: JoinOptions,
        *,
        started: bool = True,
        region: str = "US",
        max_participants: int = MAX_PARTICIPANTS,
        lasts: float = MAX_DURATION_S,
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
        )
        conference.expiry = self._context.after(lasts, lambda: conference.end("time_exceeded"))
        conference.expires_at = conference.expiry.due
        self.by_id[conference.id] = conference
        forget_oldest(self.by_id, lambda one: one.status == "completed")
        self._legs.answer(leg)
        created = {**leg.ids(), "conference_id": conference.id}
        self._context.emit("conference.created", created)
        conference.admit(leg, entry)
        return conference

    def list(self, command: ListConferences) -> Answer:
        wanted = _matching(command.filter) if command.filter else _everything
        found = [one for one in reversed(self.by_id.values()) if command.region in (None, one.region) and wanted(one)]
        found.sort(key=lambda one: one.expires_at, reverse=True)
        return page(found, Conference.view, command)

    def get(self, command: GetConference) -> Answer:
        return data(self.get_conference(command.conference_id, command.region).view())

    def end(self, command: EndConference) -> Answer:
        self.active(command.conference_id).end("ended_via_api")
        return ok()


def _everything(_: Conference) -> bool:
    return True


def _matching(wanted: ConferenceFilter) -> Callable[[Conference], bool]:
    """A test of conferences. `type` says nothing about a conference and is ignored."""
    falls_in = time_filter(wanted.occurred_at, "filter/occurred_at")
    contains = wanted.application_name.contains if wanted.application_name else None

    def matches(one: Conference) -> bool:
        legs = [participant.leg for participant in (*one.present.values(), *one.left)]
        return (
            wanted.name in (None, one.name)
            and wanted.status in (None, one.status)
            and wanted.connection_id in (None, one.connection_id)
            and (contains is None or contains.lower() in APPLICATION_NAME.lower())
            and (wanted.from_ is None or any(leg.from_ == wanted.from_ for leg in legs))
            and (wanted.to is None or any(leg.to == wanted.to for leg in legs))
            and (wanted.leg_id is None or any(leg.call_leg_id == wanted.leg_id for leg in legs))
            and (
                wanted.application_session_id is None
                or any(leg.call_session_id == wanted.application_session_id for leg in legs)
            )
            and wanted.outbound_voice_profile_id is None
            and wanted.product in (None, "call_control")
            and wanted.failed is not True
            and falls_in(one.created_at)
        )

    return matches
