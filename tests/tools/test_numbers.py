"""No destination reaches an emergency or premium-rate number, in any spelling that a telephone system may dial."""

import os
import subprocess
import sys

from telnyx_conferencing.tools.numbers import reached, refusal

EMERGENCY = (
    "+1911",
    "+49112",
    "sip:911@h.com",
    "sip:*67911@h.com",
    "sip:#31#112@h.com",
    "sip:9,911@h.com",
    "sip:9w911@h.com",
    "sip:9-1-1@h.com",
    "sip:%39%31%31@h.com",
    "sip:sos;a=b@h.com",
    "sip:999;x@h.com",
    "sip:112:password@h.com",
    "sip:\u0669\u0661\u0661@h.com",
    "sip:9_911@h.com",
    "sip:911!@h.com",
    "sip:urn:service:sos.police@h.com",
    "sip:urn:nena:service:sos@h.com",
    "sip:9*67911@h.com",
    "sip:0#31#112@h.com",
    "sip:0110@h.com",
    "sip:911x1@h.com",
    "sip:911ext.5@h.com",
    "sip:9t911@h.com",
    "sip:sip:911@h.com",
    "sip:tel:tel:911@h.com",
    "sip:*31#tel:112@h.com",
    "sip:%25EF%25%2542C%252599%25D9%25A1%25D9%25A1@h.com",
    "sip:%25252539%252525311@h.com",
    "sip:\u277e\u2776\u2776@h.com",
)
PREMIUM = (
    "+19005550123",
    "+12029765555",
    "+449098790000",
    "sip:19005550123@h.com",
    "sip:+19005550123@h.com",
    "sip:9005550123@h.com",
    "sip:919005550123@h.com",
    "sip:09005550123@h.com",
    "sip:*6719005550123@h.com",
    "sip:*31#+449098790000@h.com",
    "sip:9*6719005550123@h.com",
    "sip:19005550123x9@h.com",
    "sip:sips:+19005550123extension9@h.com",
)
ALLOWED = (
    "sip:agent@10.112.0.1",
    "sip:agent911@example.com",
    "sip:911next@example.com",
    "sip:anna@example.com;transport=tcp;user=phone",
    "sip:1001@pbx.example.com",
    "sip:14155550123@example.com",
    "sips:+442071838750@example.com",
    "+442071838750",
)


def test_emergency_and_premium_numbers_are_refused_in_every_spelling() -> None:
    assert [number for number in EMERGENCY if "emergency" not in (refusal(number) or "")] == []
    assert [number for number in PREMIUM if "premium" not in (refusal(number) or "")] == []
    assert refusal("sip:911%00@h.com") is not None
    assert refusal("sip:911\u3164@h.com") is not None


def test_a_uri_that_sends_the_call_to_another_host_than_it_shows_is_refused() -> None:
    assert refusal("sip:anna@example.com;maddr=203.0.113.9") is not None
    assert refusal("sip:anna@example.com;transport=tcp;Maddr=203.0.113.9") is not None


def test_other_destinations_are_allowed() -> None:
    assert {number: refusal(number) for number in ALLOWED if refusal(number)} == {}


def test_a_service_code_without_a_number_reaches_nobody() -> None:
    assert {number: reached(number) for number in ("*67+", "sip:*67+@h.com", "#31#+")} == {
        "*67+": (),
        "sip:*67+@h.com": (),
        "#31#+": (),
    }
    assert refusal("*67+") is not None


def test_every_time_zone_of_a_number_is_known_on_a_machine_that_has_none() -> None:
    """Debian and Ubuntu leave names such as Asia/Calcutta out, which numbers of India have."""
    code = """
from zoneinfo import ZoneInfo
from phonenumbers.timezone import TIMEZONE_DATA, UNKNOWN_TIMEZONE
names = {name for names in TIMEZONE_DATA.values() for name in names} - {UNKNOWN_TIMEZONE}
assert "Asia/Calcutta" in names
for name in names:
    ZoneInfo(name)
"""
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONTZPATH": ""}, check=True)
