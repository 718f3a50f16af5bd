"""Requests from other sites, under other host names, or with unexpected bodies."""

import json
from collections.abc import AsyncGenerator

import pytest

from support.operator_visitor import HOST, PORT, Page, asked
from telnyx_conferencing.server.database import StoreError

pytestmark = pytest.mark.anyio

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' blob:",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
TOO_LARGE = json.dumps({"reason": "x" * 16 * 1024})


async def test_every_response_has_strict_security_headers(page: Page) -> None:
    visitor = await page.signed_in()
    http, json_body = visitor.http, {"content-type": "application/json", "origin": f"http://{HOST}"}
    answers = {
        200: await http.get("/operator"),
        204: await (await page.signed_in()).post("sign-out"),
        400: await http.post("/operator/api/sign-in", content=b"{", headers=json_body),
        401: await page.visitor().get("events"),
        403: await visitor.post("stop", origin="http://evil.example"),
        404: await http.get("/operator/nothing"),
        405: await http.put("/operator/api/stop"),
        409: await visitor.post("decide", {"code": "AAAA-AAAA", "yes": True}),
        413: await http.post("/operator/api/sign-in", content=TOO_LARGE, headers=json_body),
        415: await http.post("/operator/api/sign-in", content=b"a=b", headers={"origin": f"http://{HOST}"}),
        421: await http.get("/operator", headers={"host": "evil.example"}),
    }
    assert {status: answer.status_code for status, answer in answers.items()} == {status: status for status in answers}
    for name in ("app.css", "app.js", "icon.svg"):
        answers[len(answers) * 1000] = await http.get(f"/operator/{name}")
    for answer in answers.values():
        [policy] = answer.headers.get_list("content-security-policy")
        assert set(policy.split("; ")) >= POLICY
        assert {name: answer.headers.get_list(name) for name in HEADERS} == {n: [v] for n, v in HEADERS.items()}


async def test_an_internal_error_has_the_same_headers_and_reveals_nothing(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await page.signed_in()

    async def fails(*_: object, **__: object) -> None:
        raise RuntimeError("an inner secret")

    monkeypatch.setattr(page.ledger, "stop", fails)
    answer = await visitor.post("stop")
    assert (answer.status_code, "secret" in answer.text) == (500, False)
    assert "content-security-policy" in answer.headers


FOREIGN_HOSTS = (
    "evil.example",
    f"evil.example:{PORT}",
    "127.0.0.1",
    f"127.0.0.1:{PORT + 1}",
    "",
    f"{HOST}.evil.example",
)


async def test_requests_under_another_host_name_are_refused(page: Page) -> None:
    visitor = await page.signed_in()
    statuses: dict[tuple[str, str], int] = {}
    for host in FOREIGN_HOSTS:
        for path in ("", "/app.js", "/api/session"):
            statuses[host, path] = (await visitor.http.get(f"/operator{path}", headers={"host": host})).status_code
        statuses[host, "stop"] = (await visitor.post("stop", host=host, origin=f"http://{host}")).status_code
    assert {request: status for request, status in statuses.items() if status != 421} == {}
    assert await page.ledger.stopped() is None


async def test_every_loopback_name_with_the_right_port_is_accepted(page: Page) -> None:
    names = ("127.0.0.1", "localhost", "LOCALHOST", "[::1]")
    statuses = {name: (await page.visitor().get("session", host=f"{name}:{PORT}")).status_code for name in names}
    assert statuses == dict.fromkeys(names, 200)


POSTS = ("sign-in", "sign-out", "end-session", "decide", "stop", "resume", "press", "audit/verify")
FOREIGN_ORIGINS = (
    None,
    "null",
    "http://evil.example",
    f"https://{HOST}",
    f"http://127.0.0.1:{PORT + 1}",
    f"http://localhost:{PORT}",
)


async def test_requests_that_another_site_makes_a_browser_send_change_nothing(page: Page) -> None:
    visitor = await page.signed_in()
    left = await page.ledger.add_pending(asked())
    answers: dict[tuple[str, str | None], object] = {}
    for name in POSTS:
        for origin in FOREIGN_ORIGINS:
            answer = await visitor.post(name, {"code": left.code, "yes": True}, origin=origin)
            answers[name, origin] = (answer.status_code, answer.json())
    refused = (403, {"error": "This request did not come from this page."})
    assert {request: answer for request, answer in answers.items() if answer != refused} == {}
    assert await visitor.is_signed_in()
    assert (await page.ledger.stopped(), len(await page.ledger.pending())) == (None, 1)


async def test_content_types_that_a_form_can_send_are_refused(page: Page) -> None:
    visitor = await page.signed_in()
    types = (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
    statuses = {kind: (await visitor.post("stop", content_type=kind)).status_code for kind in types}
    assert statuses == dict.fromkeys(types, 415)
    assert await page.ledger.stopped() is None


async def test_a_get_request_changes_nothing(page: Page) -> None:
    visitor = await page.signed_in()
    for name in POSTS:
        assert (await visitor.get(name)).status_code == 405
    assert await visitor.is_signed_in()


async def test_a_body_that_is_not_a_json_object_is_refused(page: Page) -> None:
    visitor = await page.signed_in()
    headers = {"origin": f"http://{HOST}", "x-operator-key": visitor.key, "content-type": "application/json"}
    bodies = ("[]", "null", "{", "1", '"a"', "[" * 9000)
    statuses = [
        (await visitor.http.post("/operator/api/stop", content=body, headers=headers)).status_code for body in bodies
    ]
    assert statuses == [400] * len(bodies)


async def test_a_body_without_a_length_is_bounded_too(page: Page) -> None:
    visitor = await page.signed_in()
    taken: list[int] = []

    async def endless() -> AsyncGenerator[bytes]:
        for number in range(1000):
            taken.append(number)
            yield b" " * 1024

    headers = {"origin": f"http://{HOST}", "x-operator-key": visitor.key, "content-type": "application/json"}
    answer = await visitor.http.post("/operator/api/stop", content=endless(), headers=headers)
    assert (answer.status_code, len(taken)) == (413, 17)


async def test_a_store_error_is_answered_with_its_message(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = await page.signed_in()

    async def fails(*_: object, **__: object) -> None:
        raise StoreError("The disk is full: make room.")

    monkeypatch.setattr(page.ledger, "stop", fails)
    answer = await visitor.post("stop")
    assert (answer.status_code, answer.json()) == (503, {"error": "The disk is full: make room."})
