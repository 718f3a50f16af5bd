"""Numbers to call: E.164 or a SIP URI, and never one that reaches an emergency or a premium-rate service.

The number plans are those of Google's libphonenumber, in the package `phonenumbers`, which is imported with the first
number that is looked at.
"""

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote_to_bytes

from pydantic import AfterValidator, ValidationInfo

from .text import clean

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_SIP = re.compile(
    r"sips?:(?P<user>[^\s@<>\"?]+)@[a-z0-9.-]+(:[0-9]{1,5})?(;(?!maddr=)[\w.=+-]+)*", re.IGNORECASE | re.ASCII
)
"""Without `maddr`, which sends the call to another host than the one that a person reads."""
_ON_THE_WIRE = re.compile(r"\+[1-9][0-9]{1,14}(,[0-9A-D*#wW]+)?|sips?:[^\s@]+@[^\s@]+")
"""What Telnyx takes: after a comma digits to send once the call is answered."""
_SOS = re.compile(r"(.*:)?sos([.;:].*)?", re.IGNORECASE | re.DOTALL)
_MAX_LENGTH = 255
"""Characters of a number, so that a person is shown all of it."""
_SEPARATORS = re.compile(r"[\s().!~'/_-]")
_OTHER_SIGNS = re.compile(r"[^\w+*#,]")
"""Signs that no number has: a telephone system may leave them out, or stop there."""
_PARAMETERS = re.compile(r"[;:].*", re.DOTALL)
"""What may follow the number in a user part: parameters, a password."""
_SCHEME = re.compile(r"(tel|sips?|callto|phone):", re.IGNORECASE)
_EXTENSION = re.compile(r"(?<=[0-9])(x|ext|extn|extension)(?=[0-9]|$)", re.IGNORECASE)
_DIAL_STRING = re.compile(r"[0-9+*#,wWpPtT]*[0-9][0-9+*#,wWpPtT]*")
_PAUSES = re.compile(r"[,wWpPtT*#+]+")
_SERVICE_CODES = tuple(re.compile(rf"([*#]{{1,2}}[0-9]{{{digits}}}[*#]?)+") for digits in (1, 2, 3))
"""Codes that a telephone system takes before the number, such as *67 and #31#."""
_LONGEST_SHORT = 6
_ABROAD = ("00", "011", "0011")
"""International prefixes: what is dialled before a country code."""
_OUTSIDE = ("0", "8", "9")
"""What is dialled first to get an outside line."""
_CODE_OUTSIDE = re.compile(r"[089][*#]")
"""An outside line, and a service code dialled there."""
_KNOWN_EVERYWHERE = frozenset({"000", "112", "911", "999"})
_PAY_PER_CALL = re.compile(r"1[0-9]{3}976[0-9]{4}")
"""The exchange 976 of the North American plan, which libphonenumber does not tell from others."""

_NATIONAL_PREMIUM = re.compile(r"0?900[0-9]{6,}")
"""900 numbers without their country code, as telephone systems dial them in North America and much of Europe."""

_LIST_SEPARATORS = re.compile(r"[\s().\-/]")
_LISTED = re.compile(r"[1-9][0-9]{6,14}")
_OLD_MEXICAN = re.compile(r"521(?=[0-9]{10}$)")
"""Mobile numbers of Mexico had a 1 after the country code until 2019, and still reach the same telephone with it."""
_HAS_TRUNK_ZERO = re.compile(r"(?!1)[0-9]{1,3}0")
"""Digits that may have a national 0 after their country code; those of the North American plan have none."""

_EMERGENCY = "must not reach an emergency service: no agent calls one; a person dials it on a telephone"
_PREMIUM = "must not be a premium-rate number: this server never calls one"
_FORM = (
    "must be a phone number in E.164 (+, country code, number, as +14155550123: digits only, nothing after them) "
    "or a SIP URI (sip:name@host)"
)
_NOT_IN_USE = "must be a number that can exist: there is none like it in the number plan of its country"


def number(value: str, info: ValidationInfo) -> str:
    """A number to call as it stands. Raises `ValueError` with the reason why it is not called."""
    if info.context:
        if not _ON_THE_WIRE.fullmatch(value):
            raise ValueError("must be a phone number in +E.164 format or a SIP URI")
        return value
    if reason := refusal(value):
        raise ValueError(reason)
    return value


def refusal(value: str) -> str | None:
    """Why a number is not called; None when it may be."""
    if len(value) > _MAX_LENGTH:
        return f"must have at most {_MAX_LENGTH} characters"
    sip = _SIP.fullmatch(value)
    user = _decoded(sip["user"] if sip else value)
    if sip and not _is_readable(user):
        return _FORM
    reasons = (_service(dialled, is_international=bool(sip)) for dialled in _dialled(user))
    if reason := next((reason for reason in reasons if reason), None):
        return reason
    if sip:
        return _EMERGENCY if _SOS.fullmatch(user) else None
    if not _E164.fullmatch(value):
        return _FORM
    return None if _exists(value[1:]) else _NOT_IN_USE


def caller_number(value: str) -> str:
    """Check a number of the account to call from, and return it. Raises `ValueError`."""
    if not (_E164.fullmatch(value) or _SIP.fullmatch(value)):
        raise ValueError("must be a phone number of yours in E.164, such as +14155550123, or a SIP URI")
    return value


@lru_cache(4096)
def reached(value: str) -> tuple[str, ...]:
    """The telephone numbers that a number to call reaches, in E.164 and in one spelling each.

    Empty for a SIP URI whose user is a name, or digits without a country code: then it is not known whom it reaches.
    """
    sip = _SIP.fullmatch(value)
    readings = _dialled(_decoded(sip["user"] if sip else value))
    full = [reading[1:] for reading in readings if reading.startswith("+")]
    full += [reading.removeprefix(out) for reading in readings for out in _ABROAD if reading.startswith(out)]
    return tuple(dict.fromkeys(_one_spelling(digits) for digits in full if _exists(digits)))


@lru_cache(4096)
def party_keys(value: str) -> frozenset[str]:
    """The spellings under which an opt-out of the person at a number to call is found."""
    sip = _SIP.fullmatch(value)
    if sip is None:
        return frozenset(reached(value)) or frozenset({value})
    readings = _dialled(_decoded(sip["user"]))
    spelt = (_one_spelling(digits.lstrip("+")) for digits in readings)
    anywhere = (key for digits in readings for key in _in_any_country(digits))
    return frozenset({*reached(value), *spelt, *anywhere, _address(value)})


def lacks_country(value: str) -> bool:
    """Whether a number to call is digits that may be a telephone number, without a country code."""
    sip = _SIP.fullmatch(value)
    if sip is None or reached(value):
        return False
    return any(len(digits) > _LONGEST_SHORT for digits in _dialled(_decoded(sip["user"])))


def _in_any_country(digits: str) -> list[str]:
    """The numbers, in one spelling each, that digits without a country code may be."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE  # noqa: PLC0415

    if digits.startswith("+") or len(digits) <= _LONGEST_SHORT:
        return []
    codes = sorted(COUNTRY_CODE_TO_REGION_CODE)
    return [_one_spelling(f"{code}{digits}") for code in codes if _exists(f"{code}{digits}")]


def party_key(text: str) -> str:
    """A telephone number in any usual spelling with its country code, or a SIP URI, in the one spelling of lists.

    Raises `ValueError`.
    """
    text = text.strip()
    if (sip := _SIP.fullmatch(text)) is not None and _is_readable(_decoded(sip["user"])):
        numbers = reached(text)
        return numbers[0] if len(numbers) == 1 else _address(text)
    spelt = re.sub(r"^tel:", "", unicodedata.normalize("NFKC", text), flags=re.IGNORECASE).partition(";")[0]
    digits = _LIST_SEPARATORS.sub("", spelt.replace("(0)", ""))
    abroad = next((out for out in _ABROAD if digits.startswith(out)), "+" if digits.startswith("+") else None)
    plain = digits.removeprefix(abroad) if abroad else ""
    if not _LISTED.fullmatch(plain):
        raise ValueError("must be a phone number with + and its country code, such as +14155550123, or a SIP URI")
    has_spellings = _HAS_TRUNK_ZERO.match(plain) or _OLD_MEXICAN.match(plain)
    return _one_spelling(plain) if has_spellings else f"+{plain}"


def _address(sip: str) -> str:
    """The user and host of a SIP URI, without scheme, port and parameters."""
    user, _, rest = sip.partition(":")[2].rpartition("@")
    return f"sip:{_PARAMETERS.sub('', _decoded(user))}@{re.split('[:;]', rest)[0]}".lower()


def _one_spelling(digits: str) -> str:
    """An E.164 number without a zero that only callers within its country dial."""
    from phonenumbers import PhoneNumberFormat, format_number  # noqa: PLC0415

    parsed = _parsed(digits)
    return format_number(parsed, PhoneNumberFormat.E164) if parsed is not None else f"+{digits}"


@lru_cache(4096)
def time_zones(number: str) -> tuple[str, ...]:
    """The names of all time zones in which an E.164 number may be; empty if none is known."""
    from phonenumbers import timezone  # noqa: PLC0415

    parsed = _parsed(number.removeprefix("+"))
    zones: tuple[str, ...] = timezone.time_zones_for_number(parsed) if parsed is not None else ()
    return tuple(zone for zone in zones if zone != timezone.UNKNOWN_TIMEZONE)


@lru_cache(4096)
def country(number: str) -> str | None:
    """The two-letter code of an E.164 number's country; None if it is not known or belongs to no country."""
    from phonenumbers import region_code_for_number  # noqa: PLC0415

    parsed = _parsed(number.removeprefix("+"))
    region = region_code_for_number(parsed) if parsed is not None else None
    return region if region is not None and region.isalpha() else None


def is_country(code: str) -> bool:
    """Whether a code is that of a country with a number plan, such as US."""
    from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415

    return code in SUPPORTED_REGIONS


def _caller(value: str, info: ValidationInfo) -> str:
    return value if info.context else caller_number(value)


def _decoded(text: str) -> str:
    encoded = text.encode(errors="replace")
    while (decoded := unquote_to_bytes(encoded)) != encoded:  # each system on the way may decode it once
        encoded = decoded
    plain = unicodedata.normalize("NFKC", decoded.decode(errors="replace")).strip()
    return "".join(str(unicodedata.digit(letter, letter)) for letter in plain)  # also the digits of other scripts


def _is_readable(user: str) -> bool:
    """Whether a user part has no character that a reader does not see."""
    return user.isprintable() and clean(user, len(user) + 1) == user


def _dialled(text: str) -> list[str]:
    """The numbers that a telephone system may dial for a spelling, with their + if they have one; none for a name.

    A system may strip a service code such as *67 or #31#, take the first digit for an outside line, and pause or go on
    at each separator: each reading is returned.
    """
    plain = _SEPARATORS.sub("", _PARAMETERS.sub("", _SCHEME.sub("", text)))
    spelt = _OTHER_SIGNS.sub(",", _EXTENSION.sub(",", plain))
    if not _DIAL_STRING.fullmatch(spelt):
        return []
    starts = [spelt, *([spelt[1:]] if _CODE_OUTSIDE.match(spelt) else [])]
    codes = (code.match(start) for start in starts for code in _SERVICE_CODES)
    without_code = [spelt, *(match.string[match.end() :] for match in codes if match)]
    readings: dict[str, None] = {}
    for reading in without_code:
        pieces = [piece for piece in _PAUSES.split(reading) if piece]
        if pieces and reading.startswith("+"):
            pieces[0] = f"+{pieces[0]}"
        for dialled in (*pieces[:1], *pieces[1:], "".join(pieces)):
            readings |= {dialled: None}
            if len(dialled) > _LONGEST_SHORT and dialled[0] in _OUTSIDE:
                readings |= {dialled[1:]: None}
    return [reading for reading in readings if re.fullmatch(r"\+?[0-9]+", reading)]


def _service(dialled: str, *, is_international: bool) -> str | None:
    """Why these digits are not dialled. `is_international`: whether they may begin with a country code without a +."""
    digits = dialled.removeprefix("+")
    # No extension begins with 0, so that what follows it is dialled outside.
    if len(digits) <= _LONGEST_SHORT and any(map(_is_emergency_somewhere, (digits, digits.removeprefix("0")))):
        return _EMERGENCY
    if any(digits.removeprefix(out) in _KNOWN_EVERYWHERE for out in (*_OUTSIDE, *_ABROAD)):
        return _EMERGENCY
    full = [digits] if is_international or digits != dialled else []
    full += [digits.removeprefix(out) for out in _ABROAD if digits.startswith(out)]
    if any(map(_is_emergency_by_country, full)):
        return _EMERGENCY
    return _PREMIUM if any(map(_is_premium, full)) else None


def _is_emergency_somewhere(digits: str) -> bool:
    """Whether it is an emergency number in any country: a call may leave the network in another country."""
    from phonenumbers import SUPPORTED_SHORT_REGIONS, is_emergency_number  # noqa: PLC0415 (not before it is needed)

    return any(is_emergency_number(digits, region) for region in SUPPORTED_SHORT_REGIONS)


def _is_emergency_by_country(digits: str) -> bool:
    """A country code and the emergency number of that country, with or without more digits."""
    from phonenumbers import connects_to_emergency_number, is_valid_number, region_codes_for_country_code  # noqa: PLC0415

    parsed = _parsed(digits)
    if parsed is None or is_valid_number(parsed):
        return False
    code = parsed.country_code or 0
    national = digits.removeprefix(str(code))
    return any(connects_to_emergency_number(national, region) for region in region_codes_for_country_code(code))


def _is_premium(digits: str) -> bool:
    from phonenumbers import PhoneNumberType, number_type  # noqa: PLC0415

    parsed = _parsed(digits)
    is_premium = parsed is not None and number_type(parsed) == PhoneNumberType.PREMIUM_RATE
    return is_premium or _PAY_PER_CALL.fullmatch(digits) is not None or _NATIONAL_PREMIUM.match(digits) is not None


def _exists(digits: str) -> bool:
    from phonenumbers import is_valid_number  # noqa: PLC0415

    parsed = _parsed(digits)
    return parsed is not None and is_valid_number(parsed)


def _parsed(digits: str) -> "PhoneNumber | None":
    """The digits of an E.164 number; None: they are none."""
    from phonenumbers import NumberParseException, parse  # noqa: PLC0415

    try:
        return parse(f"+{_OLD_MEXICAN.sub('52', digits)}")
    except NumberParseException:
        return None


Number = Annotated[str, AfterValidator(number)]
CallerNumber = Annotated[str, AfterValidator(_caller)]
