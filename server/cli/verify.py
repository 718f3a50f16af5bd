"""`verify`: proves an archive of `export` without the store."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from ...tools.text import clean, count
from ..adapters.conference_history import render_timeline
from ..evidence.verify import Finding, NotAHead, NotAnArchive, Report
from ..evidence.verify import verify as verify_archive
from ..settings import SettingsError
from ..webhooks.signature import SignatureVerifier
from .terminal import CommandFailed

_MAX_SHOWN = 50
_MAX_TEXT_LENGTH = 300


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--public-key",
    envvar="TELNYX_PUBLIC_KEY",
    metavar="KEY",
    help="Telnyx's public key, from the portal. Several: comma-separated.  [env: TELNYX_PUBLIC_KEY]",
)
@click.option("--head", metavar="NUMBER:HASH", help="A head of the audit that you kept: see `audit verify`.")
@click.option(
    "--recording",
    "recordings",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A recording or transcript whose hash must be in the archive. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(file: Path, public_key: str | None, head: str | None, recordings: Sequence[Path], as_json: bool) -> None:
    """Verify an archive that `export` wrote.

    FILE is verified with Telnyx's public key and a head of the audit. No store and no network is needed. The output
    names what does not hold, and what cannot be verified: without the public key, the webhooks. The exit code is 1 if
    anything does not hold.

    \b
    Example:
      telnyx-conferencing verify delivery.zip --head NUMBER:HASH
    """
    report = _verified(file, public_key, head, recordings)
    if as_json:
        click.echo(json.dumps(_as_json(report, is_head_given=head is not None)))
    else:
        for line in _lines(report, is_head_given=head is not None):
            click.echo(line)
    if report.failures:
        raise click.exceptions.Exit(1)


def _verified(file: Path, public_key: str | None, head: str | None, recordings: Sequence[Path]) -> Report:
    try:
        keys = [key.strip() for key in (public_key or "").split(",") if key.strip()]
        verifier = SignatureVerifier(keys, tolerance=float("inf")) if keys else None
    except ValueError as problem:
        raise SettingsError(f"--public-key (TELNYX_PUBLIC_KEY): {problem}") from None
    try:
        return verify_archive(file, verifier, head, render_timeline, recordings)
    except NotAnArchive as problem:
        raise CommandFailed(clean(str(problem), _MAX_TEXT_LENGTH)) from None
    except NotAHead as problem:
        raise SettingsError(f"--head: {problem}.") from None


def _as_json(report: Report, *, is_head_given: bool) -> dict[str, object]:
    manifest = report.manifest
    return {
        "holds": not report.failures,
        "conference_id": manifest.conference_id if manifest else None,
        "webhooks": report.webhooks,
        "records": report.records,
        "head": manifest.audit.head if manifest else None,
        "head_checked": is_head_given and report.is_head_known,
        "failures": [{"what": finding.what, "why": finding.why} for finding in report.failures],
        "not_verifiable": [{"what": finding.what, "why": finding.why} for finding in report.unverifiable],
    }


def _lines(report: Report, *, is_head_given: bool) -> Iterator[str]:
    manifest = report.manifest
    if manifest is not None:
        yield f"Conference {_text(manifest.conference_id)}, exported at {manifest.exported_at:%Y-%m-%d %H:%M:%S} UTC"
        yield f"Verified: {count(report.webhooks, 'webhook')} signed by Telnyx, {count(report.records, 'audit record')}"
    if report.failures:
        yield click.style("Does not hold:", fg="red")
        yield from _findings(report.failures)
    if report.unverifiable:
        yield "Not verifiable here:"
        for why, number in Counter(finding.why for finding in report.unverifiable).items():
            whats = [finding for finding in report.unverifiable if finding.why == why]
            yield f"  {_text(whats[0].what)}{f' and {number - 1} more' if number > 1 else ''}: {_text(why)}"
    if manifest is not None and not is_head_given:
        yield (
            f"The audit records lead to the head {_text(manifest.audit.head)}. Without --head, all of them could have "
            "been rewritten before the export: compare it with a head that you kept."
        )
    if not report.failures:
        yield click.style("Everything that can be verified here holds.", fg="green")


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings[:_MAX_SHOWN]:
        yield f"  {_text(finding.what)}: {_text(finding.why)}"
    if len(findings) > _MAX_SHOWN:
        yield f"  and {len(findings) - _MAX_SHOWN} more"


def _text(text: str) -> str:
    return clean(text, _MAX_TEXT_LENGTH)
