"""How many examples hypothesis tries, and which."""

import os

from hypothesis import HealthCheck, settings

# A slow machine must not fail a test, so neither profile limits the time of an example. CI tries the same examples each
# time: it judges a change, and does not search. A run by hand tries new ones.
settings.register_profile(
    "thorough",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("fast", settings.get_profile("thorough"), max_examples=20, derandomize=True)


def load_profile(*, fast: bool) -> None:
    settings.load_profile("fast" if fast else "thorough")


def examples(count: int) -> settings:
    """As many examples as this in the thorough profile. The fast profile keeps its own number."""
    return settings(max_examples=count) if settings.get_current_profile_name() == "thorough" else settings()
