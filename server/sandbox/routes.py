"""From a method and a path to what serves it. Paths are split before they are decoded: a queue's name may hold a /."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

from ...tools.base import Route
from .errors import method_not_allowed, not_found

T = TypeVar("T")


@dataclass(slots=True)
class _Node(Generic[T]):
    literal: "dict[str, _Node[T]]" = field(default_factory=dict[str, "_Node[T]"])
    placeholder: "_Node[T] | None" = None
    served: dict[str, tuple[Route, T]] = field(default_factory=dict[str, tuple[Route, T]])


class Routes(Generic[T]):
    def __init__(self, served: Iterable[tuple[Route, T]]) -> None:
        self._root: _Node[T] = _Node()
        for route, what in served:
            self._add(route, what)

    def _add(self, route: Route, what: T) -> None:
        node = self._root
        for part in route.path.strip("/").split("/"):
            if part.startswith("{"):
                node.placeholder = node.placeholder or _Node()
                node = node.placeholder
            else:
                node = node.literal.setdefault(part, _Node())
        node.served[route.method] = (route, what)

    def find(self, method: str, path: str) -> tuple[T, dict[str, str]]:
        """What serves a request, and its path parameters. `path` is percent-encoded.

        Raises `Refused` (404, 405).
        """
        node: _Node[T] | None = self._root
        values: list[str] = []
        for part in path.removeprefix("/").split("/"):
            found = node.literal.get(part)
            if found is None and part:
                found = node.placeholder
                values.append(unquote(part))
            if found is None:
                raise not_found("There is nothing at this URL.")
            node = found
        if not node.served:
            raise not_found("There is nothing at this URL.")
        if method not in node.served:
            raise method_not_allowed(method, sorted(node.served))
        route, what = node.served[method]
        return what, dict(zip(route.parameters, values, strict=True))
