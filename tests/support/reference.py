"""The reference tables of the documents, made from the code."""

from collections.abc import Iterable, Mapping
from typing import Any

import anyio
from mcp_types import Resource, ResourceTemplate

from support.mcp_in_process import World, in_process
from telnyx_conferencing.prompts import files
from telnyx_conferencing.prompts.files import Argument, Prompt
from telnyx_conferencing.server.cli.options import SERVE_SETTINGS, default_text, metavar
from telnyx_conferencing.server.cli.tools import risk_words
from telnyx_conferencing.server.events.models import PAYLOADS
from telnyx_conferencing.server.guard.effects import ARGUMENT_RULES, STATE_RULES
from telnyx_conferencing.server.mcp.tool_definitions import model_bytes, total_bytes
from telnyx_conferencing.server.settings import PREFIX, Settings
from telnyx_conferencing.tools import PRESETS, TOOLS, TOOLSETS
from telnyx_conferencing.tools.base import ByArgument, Command, Tool

_MADE = "Made from the code by `UPDATE_SNAPSHOTS=1 make test`."

_RISKS = f"""\
{_MADE}

The column *risk*:

- *read*: changes nothing.
- *routine*: everyday work of a call.
- *disruptive*: people notice it, and another tool undoes it.
- *destructive*: cannot be undone.
- *by effect*: arguments or the current state can raise the risk
  ([security.md](security.md#what-makes-a-call-risky)).

The column *repeat* says what Telnyx does with the same request again:

- *idempotent*: it carries it out again, with the same result.
- *deduped*: it ignores it, because the request has a `command_id`.
- *once*: it carries it out twice. So the server never repeats a request that it may have sent."""


def tools() -> str:
    """docs/tools.md."""
    parts = ["# Tools", _RISKS]
    for toolset in TOOLSETS:
        commands = [command for command in TOOLS if command.toolset() == toolset]
        parts += [f"## {toolset}", "\n".join([*_HEAD, *map(_row, commands)])]
    return "\n\n".join(parts) + "\n"


_PROMPTS = """\
Made from the files of `prompts/` by `UPDATE_SNAPSHOTS=1 make test`.

A host shows prompts as slash commands. Each
prompt gives the agent the steps of an expert: which events to wait for, when to ask, and what never to do. It also
contains the current state: who is in the conference, who waits in the queue. Names and numbers are quoted data.

Name a conference by its name or id. Every argument completes from live values. A prompt is offered if all tools in
**bold** are offered; its text lists its other tools that are missing. The questions that a person answers before a
risky command are in `prompts/questions/`; `tests/snapshots/questions.md` shows them as a person reads them."""


def prompts() -> str:
    """docs/prompts.md."""
    return "\n\n".join(["# Prompts", _PROMPTS, *map(_section, files.prompts().values())]) + "\n"


def _section(prompt: Prompt) -> str:
    bold, plain = (f"**`{name}`**" for name in prompt.required_tools), (f"`{name}`" for name in prompt.optional_tools)
    tools = f"Tools: {', '.join([*bold, *plain])}."
    head = ("| argument | | what it is | completes from |", "|---|---|---|---|")
    table = "\n".join([*head, *map(_argument, prompt.arguments)])
    return "\n\n".join([f"## `{prompt.name}`: {prompt.title}", prompt.description, table, tools])


def _argument(argument: Argument) -> str:
    source = argument.completes if isinstance(argument.completes, str) else ", ".join(argument.completes)
    within = f" of the {argument.within}" if argument.within else ""
    needed = "required" if argument.required else ""
    return f"| `{argument.name}` | {needed} | {argument.description} | {source.replace('_', ' ')}{within} |"


_HEAD = (
    "| tool | what it does | endpoint | risk | repeat | events that follow |",
    "|---|---|---|---|---|---|",
)


def _row(tool: type[Tool]) -> str:
    name, description = f"`{tool.tool_name()}`", tool.__doc__ or ""
    return f"| {' | '.join((name, description, _endpoint(tool), risk_words(tool), tool.retry, _events(tool)))} |"


def _endpoint(tool: type[Tool]) -> str:
    routes = tool.routes() if issubclass(tool, Command) else ()
    return " or ".join(f"`{route.method} {route.path}`" for route in routes) or "this server"


def _events(tool: type[Tool]) -> str:
    announces = tool.announces if issubclass(tool, Command) else ()
    sets = list(announces.every()) if isinstance(announces, ByArgument) else [announces]
    return " or ".join(", ".join(f"`{event}`" for event in names) for names in sets if names)


_CONFIGURATION = f"""\
{_MADE}

Every option of `telnyx-conferencing serve` is also an environment variable. An option overrides its variable. The
server refuses a wrong value at start, with a message that names the option and the variable, and a variable whose name
is nearly that of a setting."""


def configuration() -> str:
    """docs/configuration.md."""
    head = ("| option | environment variable | default | meaning |", "|---|---|---|---|")
    rows = [_setting(name) for name in Settings.model_fields]
    return "\n\n".join(["# Configuration", _CONFIGURATION, "\n".join([*head, *rows])]) + "\n"


def _setting(name: str) -> str:
    field = Settings.model_fields[name]
    alias = field.validation_alias
    spelt = f"--{name.replace('_', '-')} {metavar(name)}".replace("|", "\\|").rstrip()
    option = f"`{spelt}`" if name in SERVE_SETTINGS else ""
    default = f"`{default_text(name)}`" if default_text(name) else ""
    variable = alias or f"{PREFIX}{name.upper()}"
    return f"| {option} | `{variable}` | {default} | {field.description} |"


_RESOURCES = f"""\
{_MADE}

Lists of events take `?limit=` (1 to 200, 50 if not given), `&before=` (from the previous page) and `&type=` (types,
comma-separated, or a group such as `conference.participant.*`). Template variables complete from existing values. For
an address that does not exist, the server answers with the protocol's resource-not-found error.
[webhooks.md](webhooks.md) says how events reach the server."""

_EVENTS = """\
An event has an `id`, a `type`, `occurred_at`, its `conference_id`, `call_control_id` and queue, `via` (`webhook`,
`catch-up`, `sandbox` or `server`), `verified: false` if its signature was not checked, and under `payload` those of the
fields below that Telnyx sent. Types and fields that are not listed here are stored and shown too: Telnyx adds some
without notice. The server itself writes `alert.raised` and `alert.cleared` ([policy.md](policy.md#alerts)):
their payload has `alert`, `when`, `message`, `since` and `raised_at`."""


def resources() -> str:
    """docs/resources.md."""
    parts = ["# Resources and events", _RESOURCES, "## Resources", "\n".join(_resource_rows(anyio.run(_offered)))]
    return "\n\n".join([*parts, "## Events", _EVENTS, "\n".join(_event_rows(PAYLOADS))]) + "\n"


async def _offered() -> dict[str, Resource | ResourceTemplate]:
    """What a client is offered, by what it reads."""
    async with in_process(World()) as client:
        fixed = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
    by_address = {resource.uri_template.partition("{?")[0]: resource for resource in templates}
    return dict(sorted(({str(resource.uri): resource for resource in fixed} | by_address).items()))


def _resource_rows(offered: Mapping[str, Resource | ResourceTemplate]) -> Iterable[str]:
    yield "| resource | what it is | media type |"
    yield "|---|---|---|"
    for address, resource in offered.items():
        yield f"| `{address}` | {resource.title}. {resource.description} | `{resource.mime_type}` |"


_COMMON = frozenset({"conference_id", "call_control_id", "record_type", "occurred_at"})


def _event_rows(payloads: Mapping[str, Any]) -> Iterable[str]:
    yield "| event | fields of its payload |"
    yield "|---|---|"
    for name, payload in payloads.items():
        fields = (field.alias or key for key, field in payload.model_fields.items() if key not in _COMMON)
        yield f"| `{name}` | {', '.join(f'`{field}`' for field in fields)} |"


_PRESETS = {
    "core": "Telnyx's conference and queue endpoints, `dial`, `answer_call`, `hangup_call`, `list_events`, "
    "`wait_for_event`, `whoami`",
    "default": "everything except the tools for single calls outside a conference",
    "all": "also the tools for single calls",
}


def sizes() -> str:
    """The generated section of docs/hosts.md: the tools and bytes of each preset."""
    head = ("| `--toolsets` | tools | bytes for the model | with output schemas and hints |", "|---|---|---|---|")
    return "\n".join([*head, *(_size(name, meaning) for name, meaning in _PRESETS.items())])


def _size(preset: str, meaning: str) -> str:
    number, model = len(PRESETS[preset]), sum(map(model_bytes, PRESETS[preset]))
    total = sum(map(total_bytes, PRESETS[preset]))
    return f"| `{preset}`: {meaning} | {number} | {model:,} ({model / number:.0f} a tool) | {total:,} |"


def risk_rules() -> str:
    """The generated section of docs/security.md: which arguments and states give which risk."""
    arguments = [f"| `{rule.arguments}` | {rule.effect.risk} | it {rule.effect.reason} |" for rule in ARGUMENT_RULES]
    states = [f"| {where} | {risk} | {name} |" for name, (risk, where) in STATE_RULES.items()]
    head = ("| arguments, or current state | risk | why |", "|---|---|---|")
    return "\n".join([*head, *arguments, *states])
