"""Asks the page without a network; Starlette's own client wants a library that we do not need."""

import asyncio
from collections.abc import Mapping
from json import dumps
from urllib.parse import urlencode

import httpx
from fastapi import FastAPI

from service.metrics import Metrics
from service.web.app import create_app
from service.wiring import Node
from workers.document_format import FORMAT
from workers.on_demand import PAPERS, make_note


def app_of(node: Node) -> FastAPI:
    """Return the application over an open node, put together as the role does it."""
    return create_app(node, Metrics(node.settings, node.clock), FORMAT, PAPERS, make_note)


class Client:
    """Asks an application."""

    def __init__(self, app: FastAPI, base_url: str = "http://127.0.0.1:8080") -> None:
        self._app = app
        self._base_url = base_url

    def get(
        self, path: str, *, headers: Mapping[str, str | bytes] | None = None, params: dict[str, str] | None = None
    ) -> httpx.Response:
        """Return the answer to a GET."""
        return self._ask("GET", path, headers=headers, params=params)

    def put(self, path: str, content: bytes, *, headers: Mapping[str, str | bytes] | None = None) -> httpx.Response:
        """Return the answer to a PUT of JSON, or of what `headers` say it is."""
        return self._ask("PUT", path, headers={"Content-Type": "application/json", **(headers or {})}, content=content)

    def post_bytes(self, path: str, content: bytes, *, headers: Mapping[str, str | bytes]) -> httpx.Response:
        """Return the answer to a POST of anything, which `headers` name."""
        return self._ask("POST", path, headers=headers, content=content)

    def post(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str | bytes] | None = None,
        json: object = None,
    ) -> httpx.Response:
        """Return the answer to a POST of a form, or of JSON; redirections are not followed."""
        kind = "application/x-www-form-urlencoded" if json is None else "application/json"
        content = urlencode(form or {}).encode() if json is None else dumps(json).encode()
        return self._ask("POST", path, headers={"Content-Type": kind, **(headers or {})}, content=content)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str | bytes] | None = None,
        params: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        named = [(k.encode(), v if isinstance(v, bytes) else v.encode()) for k, v in (headers or {}).items()]

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url=self._base_url) as client:
                return await client.request(method, path, headers=named, params=params, content=content)

        return asyncio.run(ask())
