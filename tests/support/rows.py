"""Tests of many rows of data as one test, which reports each row that fails."""

import inspect
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, cast


def each_row(
    names: str | Sequence[str], rows: Iterable[Any], ids: Callable[[Any], str] = repr
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run a test once for each row and fail with all rows that fail. Takes what `pytest.mark.parametrize` takes.

    Use it for rows that differ only in data, where no row changes what the next one meets: they share the fixtures.
    `ids` names a row in the failure.
    """
    columns = [names] if isinstance(names, str) else list(names)
    table = [(ids(row), [row] if isinstance(names, str) else list(cast("Iterable[Any]", row))) for row in rows]

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        def check(**fixtures: Any) -> None:
            failures = _Failures()
            for name, values in table:
                with failures.of(name):
                    test(**fixtures, **dict(zip(columns, values, strict=True)))
            failures.report()

        async def check_async(**fixtures: Any) -> None:
            failures = _Failures()
            for name, values in table:
                with failures.of(name):
                    await test(**fixtures, **dict(zip(columns, values, strict=True)))
            failures.report()

        merged: Any = check_async if inspect.iscoroutinefunction(test) else check
        merged.__dict__.update(vars(test))
        merged.__name__, merged.__qualname__, merged.__module__ = test.__name__, test.__qualname__, test.__module__
        signature = inspect.signature(test)
        fixtures = [parameter for name, parameter in signature.parameters.items() if name not in columns]
        merged.__signature__ = signature.replace(parameters=fixtures)  # what pytest asks for fixtures by
        return merged

    return decorate


class _Failures:
    def __init__(self) -> None:
        self._texts: list[str] = []

    @contextmanager
    def of(self, row: str) -> Generator[None]:
        try:
            yield
        except AssertionError as failed:
            self._texts.append(f"{row}: {failed}")

    def report(self) -> None:
        assert not self._texts, f"{len(self._texts)} rows fail:\n" + "\n".join(self._texts)
