"""The question that a person decides on: what a command does, to whom, and why it is risky."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel

from ...prompts.safe_text import SafeText
from ...tools.base import Command, arguments_of
from ...tools.pagination import Read, count_of
from ...tools.participants import ListParticipants
from ...tools.queues import AnnouncePositions, ListQueueCalls
from ...tools.text import REDACTORS, clean_id, quoted
from .changes import NO_FACTS, Facts
from .effects import Assessment
from .ledger import GrantTerms
from .policy import BrokenRule
from .question_facts import OTHER_LEG_ARGUMENTS, look_up

ShowText = Callable[[str], str | int]
TextFormats = Mapping[str, ShowText]
"""How the text of an argument is shown, by its name."""

_MAX_TEXT_LENGTH = 4096
"""A person must not approve a text or a destination whose end they have not seen."""
_ONE_PERSON = ("call_control_id", *OTHER_LEG_ARGUMENTS, "participant_id")
"""Arguments that name one person."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a person decides on."""

    text: str
    record_text: str
    """The text for records: without what is spoken and keyed."""
    digest: str
    """A hash of the question and of every fact that decides the effect, without times that change by themselves."""
    facts: Facts = field(default_factory=dict[str, Any])
    """Those facts, to say later what has changed."""
    conference_id: str | None = None
    """The conference that it names."""

    def replacing(self, code: str, changed: str) -> "Question":
        """This question, with the reason why it replaces the earlier one under this code."""
        why = f"Asked again: since {code} was asked, {changed}. "
        return replace(self, text=why + self.text, record_text=why + self.record_text)


async def compose(assessment: Assessment, broken: Sequence[BrokenRule] = ()) -> Question:
    """One plain question: `End conference 'Standup'? 3 people are in it (...). Everyone in it is hung up.`

    Its words are those of the command's file in `prompts/questions`. Hosts cut a long question in their dialogs, so
    what weighs most comes first: which calling rules a yes overrides, the question itself, why the command is risky,
    the other sentences, and at the end in full each long text that these quote by its start. Raises `CallFailed` when
    what the command names does not exist or Telnyx cannot be asked: a question without its facts is not asked.
    """
    from ...prompts.questions import question  # noqa: PLC0415 (loads the template engine only when a person is asked)

    command, situation = assessment.situation.command, assessment.situation
    shown_facts = await look_up(command, situation)
    tool, why = command.tool_name(), _why(assessment)

    def text(formats: TextFormats, *, with_times: bool) -> str:
        wording = _Wording(formats)
        first, *rest = question(tool, _arguments(command, wording) | shown_facts.template_values(with_times=with_times))
        asked = " ".join([first, *why, *rest])
        return " ".join([asked, *(f"In full: {full}." for full, start in wording.cut.items() if start in asked)])

    is_secret = any(getattr(command, name, None) is not None for name in REDACTORS)
    overrides = "".join(f"A yes overrides a rule for this one call: {rule}. " for rule in broken)
    shown = overrides + text(_FORMATS, with_times=True)
    record_text = overrides + text(_RECORD_FORMATS, with_times=True) if is_secret else shown
    facts = [text(_FORMATS, with_times=False), situation.facts(), [rule.facts for rule in broken]]
    bound = json.dumps(facts, sort_keys=True, default=str)
    digest = hashlib.sha256(bound.encode(errors="replace")).hexdigest()
    return Question(shown, record_text, digest, situation.remembered(), shown_facts.conference_id)


def compose_grant(terms: GrantTerms, facts: Mapping[str, Any], record_facts: Mapping[str, Any]) -> Question:
    """The question about a grant. `facts`: what it shows; `record_facts`: the same for the audit."""
    from ...prompts.questions import question  # noqa: PLC0415 (as above)

    text = " ".join(question("request_grant", facts))
    bound = json.dumps([text, asdict(terms)], sort_keys=True)
    record_text = " ".join(question("request_grant", record_facts))
    return Question(text, record_text, hashlib.sha256(bound.encode(errors="replace")).hexdigest(), NO_FACTS)


def _why(assessment: Assessment) -> list[str]:
    if not assessment.reasons:
        return []
    return [f"Why a person is asked ({assessment.risk}): this {'; this '.join(assessment.reasons)}."]


@dataclass(frozen=True, slots=True)
class _Wording:
    """How the texts of one question are shown."""

    formats: TextFormats
    cut: dict[str, str] = field(default_factory=dict[str, str])
    """The long texts: each in full, and the start of it that the question quotes."""

    def of(self, name: str) -> ShowText:
        """How the text of an argument is shown."""
        return self.formats.get(name, self._by_start)

    def _by_start(self, text: str) -> str:
        start, full = quoted(text), quoted(text, _MAX_TEXT_LENGTH)
        if start != full:
            self.cut[full] = start
        return start


def _arguments(model: BaseModel, wording: _Wording) -> dict[str, Any]:
    """Arguments as a question shows them: texts as words, also within lists and objects; the rest as it is.

    The fields of an object are also arguments of their own: they mean the same inside an object.
    """
    choices = _choices(type(model))
    shown = {name: _shown_value(value, choices[name], wording.of(name), wording) for name, value in model}
    for name, value in model:
        if isinstance(value, BaseModel):
            within = shown[name]
            shown = within | {key: text for key, text in shown.items() if text is not None or key not in within}
    return shown


def _shown_value(value: Any, choices: frozenset[Any], show: ShowText, wording: _Wording) -> Any:
    match value:
        case str():
            text = value if value in choices else show(value)
            return SafeText(text) if isinstance(text, str) else text
        case BaseModel():
            return _arguments(value, wording)
        case list():
            return [_shown_value(item, choices, show, wording) for item in cast("list[Any]", value)]
        case _:
            return value


@cache
def _choices(model: type[BaseModel]) -> Mapping[str, frozenset[Any]]:
    """The literal values of each argument: they are ours, and need no quotation marks."""
    return {name: frozenset(_literals(field.annotation)) for name, field in model.model_fields.items()}


def _literals(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    if get_origin(annotation) is Literal:
        yield from inner
    else:
        for argument in inner:
            yield from _literals(argument)


_FORMATS: TextFormats = {
    "call_control_id": clean_id,
    "call_control_ids": clean_id,
    "whisper_call_control_ids": clean_id,
    "other_call_control_id": clean_id,
    "supervise_call_control_id": clean_id,
    # Keyed digits may be a card number or a PIN: only their count is shown.
    "digits": len,
}
"""How texts are shown that are not quoted."""
_RECORD_FORMATS = {**_FORMATS, **REDACTORS, "digits": len}


async def affected_people(command: Command, read: Read) -> int:
    """How many people a command affects. Raises `CallFailed` when Telnyx cannot say how many are in a room."""
    arguments = arguments_of(command)
    legs = arguments.get("call_control_ids")
    if isinstance(legs, list):
        return len(cast("list[str]", legs))
    if isinstance(command, AnnouncePositions):
        return min(command.limit, await count_of(read, ListQueueCalls(queue_name=command.queue_name)))
    if not command.affects_whole_room():
        return len(command.numbers()) + sum(arguments.get(name) is not None for name in _ONE_PERSON)
    return await count_of(read, ListParticipants(conference_id=arguments["conference_id"]))
