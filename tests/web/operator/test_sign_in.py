"""Sign-in by a code, and how long it lasts."""

import logging
import re
from pathlib import Path

import anyio
import httpx2
import pytest
from starlette.routing import Router

from support.operator_visitor import PORT, Page, Visitor, asked, open_page
from telnyx_conferencing.server.web.operator import OperatorPage

pytestmark = pytest.mark.anyio

WRONG = "This code is wrong, was used already, or is older than ten minutes."


async def test_a_code_signs_in_once(page: Page) -> None:
    code, first, second = await page.code(), page.visitor(), page.visitor()
    assert (await first.sign_in(code)).status_code == 200
    assert await first.is_signed_in()
    refused = await second.sign_in(code)
    assert (refused.status_code, refused.json()["error"]) == (401, WRONG)
    assert not await second.is_signed_in()


async def test_a_code_may_be_typed_in_any_spelling(page: Page) -> None:
    code = await page.code()
    assert (await page.visitor().sign_in(f" {code.replace('-', ' ').lower()} ")).status_code == 200


async def test_a_code_lasts_ten_minutes(page: Page) -> None:
    early, late = await page.code(), await page.code()
    page.clock.move(minutes=9, seconds=59)
    assert (await page.visitor().sign_in(early)).status_code == 200
    page.clock.move(seconds=1)
    assert (await page.visitor().sign_in(late)).status_code == 401


async def test_setting_the_clock_back_prolongs_neither_codes_nor_sign_ins(page: Page) -> None:
    visitor, code = await page.signed_in(), await page.code()
    page.clock.move(minutes=-1)
    assert not await visitor.is_signed_in()
    assert (await page.visitor().sign_in(code)).status_code == 401


async def test_a_wrong_code_does_not_sign_in(page: Page) -> None:
    await page.code()
    codes = ("", "x", "é" * 20, "\ud800", None, 7, ["a"], "x" * 1000)
    statuses = [(await page.visitor().post("sign-in", {"code": code})).status_code for code in codes]
    assert statuses == [401, 401, 401, 401, 401, 400, 400, 400]


async def test_a_program_that_tries_many_wrong_codes_keeps_nobody_out(page: Page) -> None:
    code, visitor, statuses = await page.code(), page.visitor(), set[int]()

    async def guess() -> None:
        statuses.add((await visitor.sign_in("AAAA-AAAA-AAAA")).status_code)

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(guess)
    assert statuses == {401}
    assert (await page.visitor().sign_in(code)).status_code == 200


async def test_each_code_is_new(page: Page) -> None:
    codes = {await page.code() for _ in range(50)}
    assert len(codes) == 50
    group = "[A-HJKMNP-TV-Z][0-9A-HJKMNP-TV-Z]{3}"
    assert all(re.fullmatch(f"{group}-{group}-{group}", code) for code in codes)


async def test_scripts_and_other_sites_cannot_use_the_cookie(page: Page) -> None:
    [cookie] = (await page.visitor().sign_in(await page.code())).headers.get_list("set-cookie")
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert flags == {"httponly", "samesite=strict", "path=/operator", "max-age=34560000"}


async def test_over_https_the_cookie_is_for_https_only(page: Page) -> None:
    host = "calls.example.com"
    operator = OperatorPage(page.ledger, page.live, PORT, hosts={host}, now=page.clock.now)
    transport = httpx2.ASGITransport(Router(operator.routes))
    async with httpx2.AsyncClient(transport=transport, base_url=f"https://{host}") as http:
        visitor = Visitor(http)
        [cookie] = (await visitor.sign_in(await page.code())).headers.get_list("set-cookie")
        [deleted] = (await visitor.post("sign-out")).headers.get_list("set-cookie")
    assert "; secure" in cookie.lower()
    assert "; secure" in deleted.lower()


async def test_nothing_is_shown_before_sign_in(page: Page) -> None:
    await page.ledger.add_pending(asked(question="A secret question"))
    await page.ledger.stop("Anna", "a secret reason")
    visitor = page.visitor()
    refused = {"error": "You are not signed in."}
    for name in (
        "events",
        "sessions",
        "conferences",
        "conferences/x",
        "conferences/x/timeline.svg",
        "audit",
        "audit/export",
    ):
        answer = await visitor.get(name)
        assert (answer.status_code, answer.json()) == (401, refused), name
    for name in ("decide", "stop", "resume", "press", "sign-out", "end-session", "audit/verify"):
        answer = await visitor.post(name)
        assert (answer.status_code, answer.json()) == (401, refused), name
    assert (await visitor.get("session")).json() == {"signed_in": False, "way": "code"}


async def test_every_view_has_an_address_of_its_own(page: Page) -> None:
    visitor = page.visitor()
    for path in ("", "/approvals", "/history", "/history/conf-1", "/audit", "/sessions"):
        answer = await visitor.http.get(f"/operator{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


async def test_neither_the_cookie_alone_nor_the_key_alone_is_enough(page: Page) -> None:
    await page.ledger.add_pending(asked())
    visitor, stranger = await page.signed_in(), page.visitor()
    assert (await stranger.post("stop", x_operator_key=visitor.key)).status_code == 401
    for key in ("", "guess", (await page.signed_in()).key):
        assert (await visitor.post("stop", x_operator_key=key)).status_code == 401
        assert (await visitor.get("events", x_operator_key=key)).status_code == 401
    assert (await visitor.post("stop", x_operator_key=None)).status_code == 401
    assert await page.ledger.stopped() is None


async def test_a_sign_in_lasts_a_day_after_its_last_use(page: Page) -> None:
    visitor = await page.signed_in()
    for _ in range(3):
        page.clock.move(hours=23)
        assert (await visitor.get("sessions")).status_code == 200
    page.clock.move(hours=24)
    assert not await visitor.is_signed_in()
    assert (await visitor.post("resume")).status_code == 401


async def test_a_sign_in_outlasts_the_server(tmp_path: Path) -> None:
    async with open_page(tmp_path) as before:
        visitor = await before.signed_in()
    async with open_page(tmp_path) as after:
        again = after.visitor()
        again.key = visitor.key
        again.http.cookies.update(dict(visitor.http.cookies))
        assert await again.is_signed_in()


async def test_people_see_their_sign_ins_and_end_one_elsewhere(page: Page) -> None:
    anna, boris = await page.signed_in("anna@desk"), await page.signed_in("boris@desk")
    listed = (await anna.get("sessions")).json()["sessions"]
    assert {(sign_in["person"], sign_in["current"]) for sign_in in listed} == {
        ("anna@desk", True),
        ("boris@desk", False),
    }
    [other] = [sign_in["id"] for sign_in in listed if not sign_in["current"]]
    assert (await anna.post("end-session", {"id": other})).status_code == 204
    assert (await boris.is_signed_in(), await anna.is_signed_in()) == (False, True)
    assert (await anna.post("end-session", {"id": other})).status_code == 404


async def test_a_sign_in_names_its_browser(page: Page) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    visitor = page.visitor()
    visitor.key = (await visitor.post("sign-in", {"code": await page.code()}, user_agent=agent)).json()["key"]
    [shown] = (await visitor.get("sessions")).json()["sessions"]
    assert shown["browser"] == "Firefox on Linux"


async def test_signing_out_does_not_affect_another_person(page: Page) -> None:
    anna, boris = await page.signed_in(), await page.signed_in()
    assert (await anna.post("sign-out")).status_code == 204
    assert not await anna.is_signed_in()
    assert await boris.is_signed_in()
    assert (await boris.post("stop")).status_code == 200


async def test_a_cookie_from_before_signing_out_is_not_accepted(page: Page) -> None:
    visitor = await page.signed_in()
    kept = dict(visitor.http.cookies)
    await visitor.post("sign-out")
    visitor.http.cookies.update(kept)
    assert not await visitor.is_signed_in()
    assert (await visitor.post("stop")).status_code == 401


async def test_no_secret_is_in_the_log(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "telnyx_conferencing")
    caplog.set_level(logging.DEBUG, "uvicorn")
    code, visitor = await page.code(), page.visitor()
    await visitor.sign_in(code)
    await visitor.sign_in(code)
    await visitor.post("stop", x_operator_key="wrong")
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx2")]
    secrets = {code, visitor.key, *dict(visitor.http.cookies).values()}
    assert ours == ["Signed in to the operator page: anna@desk"]
    assert not [secret for secret in secrets if any(secret in line for line in ours)]


async def test_the_store_holds_no_secret_that_signs_in(page: Page, tmp_path: Path) -> None:
    unused, visitor = await page.code(), await page.signed_in()
    stored = b"".join([await anyio.Path(tmp_path / f"store.db{end}").read_bytes() for end in ("", "-wal")])
    secrets = [unused, visitor.key, *dict(visitor.http.cookies).values()]
    assert b"anna@desk" in stored
    assert not [secret for secret in secrets if secret.encode() in stored]
