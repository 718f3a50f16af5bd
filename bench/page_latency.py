"""Measure how long an event takes to the operator page: 250 people in one conference, ten changes a second.

The time is from the start of the webhook's POST until the page has drawn the change, in a real browser.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import httpx2

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.browser_pages import tab  # noqa: E402
from support.mcp_http import site  # noqa: E402
from support.webhooks import NOWHERE, body_of, signed_headers, url_of  # noqa: E402 (found by the line before)
from telnyx_conferencing.server.guard.ledger import Ledger  # noqa: E402
from telnyx_conferencing.server.sandbox.webhooks import Signer  # noqa: E402
from telnyx_conferencing.server.web.operator.sign_in import create_code  # noqa: E402

PEOPLE = 250
CHANGES = 200
INTERVAL_S = 0.1
TARGET_MS = 100

_NOTE = """() => {
  window.seen = {};
  new MutationObserver(() => {
    const at = Date.now();
    for (const { dataset } of document.querySelectorAll(".person[data-talking]")) window.seen[dataset.leg] ??= at;
  }).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""


async def measure() -> list[float]:
    """Milliseconds from each event to the page."""
    signer = Signer()
    with TemporaryDirectory(prefix="page-latency-") as folder:
        home = Path(folder)
        env = {**NOWHERE, "TELNYX_PUBLIC_KEY": signer.public_key}
        async with (
            site("--operator-page", "0", home=home, env=env) as served,
            httpx2.AsyncClient(trust_env=False, base_url=served.url) as http,
            tab(width=1280) as page,
        ):

            async def happens(name: str, event_type: str, number: int) -> None:
                body = body_of(name, event_type, call_control_id=f"v3:{number}")
                answer = await http.post("/webhooks/telnyx", content=body, headers=signed_headers(signer, body))
                assert answer.status_code == 200

            for number in range(PEOPLE):
                await happens(f"joined {number}", "conference.participant.joined", number)
            async with Ledger.open(url_of(home / "events.db")) as ledger:
                code = await create_code(ledger, "bench")
            await page.goto(f"{served.url}/operator")
            await page.get_by_label("Sign-in code").fill(code)
            await page.keyboard.press("Enter")
            await page.locator(".person").nth(PEOPLE - 1).wait_for()
            await page.evaluate(_NOTE)
            sent: dict[str, float] = {}
            for number in range(CHANGES):
                next_at = anyio.current_time() + INTERVAL_S
                sent[f"v3:{number}"] = time.time() * 1000
                await happens(f"talks {number}", "conference.floor.changed", number)
                await anyio.sleep(max(0.0, next_at - anyio.current_time()))
            await page.locator(f'[data-leg="v3:{CHANGES - 1}"][data-talking]').wait_for()
            seen: dict[str, float] = await page.evaluate("window.seen")
    return sorted(seen[leg] - at for leg, at in sent.items() if leg in seen)


def main() -> None:
    lags = anyio.run(measure)
    middle, late = lags[len(lags) // 2], lags[len(lags) * 95 // 100]
    print(f"{PEOPLE} people, {CHANGES} changes, {len(lags)} of them drawn on their own")
    print(f"from the webhook to the page: median {middle:.0f} ms, 95% within {late:.0f} ms, at most {lags[-1]:.0f} ms")
    print(f"{'within' if late <= TARGET_MS else 'beyond'} the target of {TARGET_MS} ms at the 95th percentile")


if __name__ == "__main__":
    main()
