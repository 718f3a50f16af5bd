"""Sign-in by a link, and how long it lasts."""

import logging
import re

import httpx2
import pytest
from starlette.routing import Router

from support.operator_visitor import PORT, Page, Visitor, asked, token_of
from telnyx_conferencing.server.web.operator import OperatorPage

pytestmark = pytest.mark.anyio


async def test_a_link_opens_the_page_once(page: Page) -> None:
    link, first, second = page.page.link(), page.visitor(), page.visitor()
    assert (await first.sign_in(link)).status_code == 200
    assert (await first.get()).status_code == 200
    refused = await second.sign_in(link)
    assert (refused.status_code, refused.json()["error"]) == (
        401,
        "This link was already used, or is older than ten minutes.",
    )
    assert (await second.get()).status_code == 401


async def test_opening_a_link_does_not_use_it_up(page: Page) -> None:
    link, visitor = page.page.link(), page.visitor()
    for _ in range(3):
        seen = await visitor.http.get(link)
        assert (seen.status_code, "Sign in" in seen.text, "set-cookie" in seen.headers) == (200, True, False)
        await visitor.http.head(link)
    assert (await visitor.sign_in(link)).status_code == 200
    assert (await page.visitor().http.get(link)).status_code == 401


async def test_a_link_lasts_ten_minutes(page: Page) -> None:
    early, late = page.page.link(), page.page.link()
    page.clock.move(minutes=9, seconds=59)
    assert (await page.visitor().sign_in(early)).status_code == 200
    page.clock.move(seconds=1)
    assert (await page.visitor().http.get(late)).status_code == 401
    assert (await page.visitor().sign_in(late)).status_code == 401


async def test_setting_the_clock_back_prolongs_neither_links_nor_sign_ins(page: Page) -> None:
    visitor, link = await page.signed_in(), page.page.link()
    page.clock.move(minutes=-1)
    assert (await visitor.get()).status_code == 401
    assert (await page.visitor().sign_in(link)).status_code == 401


async def test_a_wrong_token_does_not_sign_in(page: Page) -> None:
    page.page.link()
    tokens = ("", "x", "é" * 20, "\ud800", None, 7, ["a"], "x" * 1000)
    statuses = [(await page.visitor().post("sign-in", {"token": token})).status_code for token in tokens]
    assert statuses == [401, 401, 401, 401, 401, 400, 400, 400]


async def test_each_link_has_a_new_token_of_256_bits(page: Page) -> None:
    tokens = {token_of(page.page.link()) for _ in range(8)}
    assert len(tokens) == 8
    assert all(re.fullmatch(r"[\w-]{43}", token) for token in tokens)


async def test_scripts_and_other_sites_cannot_use_the_cookie(page: Page) -> None:
    [cookie] = (await page.visitor().sign_in(page.page.link())).headers.get_list("set-cookie")
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert flags == {"httponly", "samesite=strict", "path=/"}


async def test_over_https_the_cookie_is_for_https_only(page: Page) -> None:
    host = "calls.example.com"
    operator = OperatorPage(page.ledger, PORT, print, hosts={host})
    transport = httpx2.ASGITransport(Router(operator.routes))
    async with httpx2.AsyncClient(transport=transport, base_url=f"https://{host}") as http:
        visitor = Visitor(http)
        [cookie] = (await visitor.sign_in(operator.link())).headers.get_list("set-cookie")
        [deleted] = (await visitor.post("sign-out")).headers.get_list("set-cookie")
    assert "; secure" in cookie.lower()
    assert "; secure" in deleted.lower()


async def test_without_a_sign_in_only_the_way_to_sign_in_is_shown(page: Page) -> None:
    await page.ledger.add_pending(asked(question="A secret question"))
    await page.ledger.stop("Anna", "a secret reason")
    visitor = page.visitor()
    front, events = await visitor.get(), await visitor.get("/events")
    assert (front.status_code, events.status_code) == (401, 401)
    assert "a link that the server prints on its terminal" in front.text
    assert events.json() == {"error": "You are not signed in."}
    for name in ("decide", "stop", "resume", "present", "sign-out"):
        assert (await visitor.post(name)).json() == {"error": "You are not signed in."}


async def test_a_new_link_is_printed_on_the_terminal_only(page: Page) -> None:
    visitor = page.visitor()
    answer = await visitor.post("link")
    assert (answer.status_code, answer.content) == (204, b"")
    [link] = page.terminal
    assert (await visitor.sign_in(link)).status_code == 200


async def test_the_terminal_cannot_be_flooded_with_links(page: Page) -> None:
    visitor = page.visitor()
    statuses = [(await visitor.post("link")).status_code for _ in range(10)]
    assert statuses == [204] * 8 + [429] * 2
    assert len(page.terminal) == 8
    page.clock.move(minutes=10)
    assert (await visitor.post("link")).status_code == 204


async def test_neither_the_cookie_alone_nor_the_key_alone_is_enough(page: Page) -> None:
    await page.ledger.add_pending(asked())
    visitor, stranger = await page.signed_in(), page.visitor()
    assert (await stranger.post("stop", x_operator_key=visitor.key)).status_code == 401
    for key in (None, "", "guess", (await page.signed_in()).key):
        assert (await visitor.post("stop", x_operator_key=key)).status_code == 401
        assert (await visitor.get("/events", **({} if key is None else {"x-operator-key": key}))).status_code == 401
    assert await page.ledger.stopped() is None


async def test_a_sign_in_ends_after_half_an_hour_without_activity(page: Page) -> None:
    visitor = await page.signed_in()
    page.clock.move(minutes=29)
    assert (await visitor.post("present")).status_code == 204
    page.clock.move(minutes=29)
    assert (await visitor.get()).status_code == 200
    page.clock.move(minutes=30)
    assert (await visitor.get()).status_code == 401
    assert (await visitor.post("resume")).status_code == 401


async def test_a_sign_in_ends_after_twelve_hours(page: Page) -> None:
    visitor = await page.signed_in()
    for _ in range(12 * 4 - 1):
        page.clock.move(minutes=15)
        assert (await visitor.post("present")).status_code == 204
    page.clock.move(minutes=15)
    assert (await visitor.post("present")).status_code == 401


async def test_signing_out_does_not_affect_another_person(page: Page) -> None:
    anna, boris = await page.signed_in(), await page.signed_in()
    assert (await anna.post("sign-out")).status_code == 204
    assert (await anna.get()).status_code == 401
    assert (await boris.get()).status_code == 200
    assert (await boris.post("stop")).status_code == 200


async def test_a_cookie_from_before_signing_out_is_not_accepted(page: Page) -> None:
    visitor = await page.signed_in()
    kept = dict(visitor.http.cookies)
    await visitor.post("sign-out")
    visitor.http.cookies.update(kept)
    assert (await visitor.get()).status_code == 401
    assert (await visitor.post("stop")).status_code == 401


async def test_no_secret_is_in_the_log(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "telnyx_conferencing")
    caplog.set_level(logging.DEBUG, "uvicorn")
    link, visitor = page.page.link(), page.visitor()
    await visitor.http.get(link)
    await visitor.sign_in(link)
    await visitor.sign_in(link)
    await visitor.post("link")
    await visitor.post("stop", x_operator_key="wrong")
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx2")]
    secrets = {token_of(link), token_of(page.terminal[0]), visitor.key, *dict(visitor.http.cookies).values()}
    assert ours == ["Signed in to the operator page: with a link"]
    assert not [secret for secret in secrets if any(secret in line for line in ours)]


async def test_memory_holds_no_secret_that_signs_in(page: Page) -> None:
    link, visitor = page.page.link(), await page.signed_in()
    secrets = [token_of(link), visitor.key, *dict(visitor.http.cookies).values()]
    held = repr([vars(part) for part in (page.page, *vars(page.page).values()) if hasattr(part, "__dict__")])
    assert not [secret for secret in secrets if secret in held]
