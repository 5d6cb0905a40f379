"""The server: on this machine alone, for whoever has the token, and for nobody else."""

from __future__ import annotations

import hmac
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from inverse_inr.viewing.answers import Answer, answer, refused
from inverse_inr.viewing.contents import Contents

LOOPBACK = "127.0.0.1"
MOST_WORDS = 16
"""Words that a query may have."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Sent with every answer: no other page may embed this one or read what it shows."""

Look = Callable[[], Sequence[Contents]]


class Viewer(ThreadingHTTPServer):
    """A server of the page.

    Args:
        look: Finds what there is to see; it is asked once here, and again when the page is renewed.
        port: The port; 0 for any that is free.

    Attributes:
        token: What a request must know.

    Raises:
        OSError: The port is taken or not allowed.
    """

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it would let two servers share a port

    def __init__(self, look: Look, port: int = 0) -> None:
        self.look = look
        self.contents = look()
        self.token = secrets.token_urlsafe(24)
        super().__init__((LOOPBACK, port), Handler)

    def server_bind(self) -> None:
        """Bind without asking for the name of this machine, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    @property
    def url(self) -> str:
        """The address of the page, with the token."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.token}/"

    def answer(self, hosts: Sequence[str], target: str) -> Answer:
        """Answer a request, or refuse it.

        Args:
            hosts: Its headers "Host".
            target: What is asked for, as in the first line of the request.

        Returns:
            The answer. 403 for a request to another host, as after DNS rebinding, or without the
            token.
        """
        mine = {f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost")}
        if len(hosts) != 1 or hosts[0].lower() not in mine:
            return refused(HTTPStatus.FORBIDDEN, "This server answers to its own address alone.")
        try:
            parts = urlsplit(target)
            _, token, *names = unquote(parts.path, errors="strict").split("/", 2)
            words = parse_qsl(
                parts.query, keep_blank_values=True, max_num_fields=MOST_WORDS, errors="strict"
            )
        except ValueError:
            return refused(HTTPStatus.BAD_REQUEST, "The address is no address.")
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return refused(HTTPStatus.FORBIDDEN, "The token is missing or wrong.")
        if names == ["runs"]:
            self.contents = self.look()
        return answer(self.contents, "/".join(names or ["?"]), dict(words))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has gone away."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Hands requests to the `Viewer`, and sends what it answers."""

    protocol_version = "HTTP/1.1"
    server_version = "inverse-inr"
    sys_version = ""
    timeout = 60
    server: Viewer  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        """Answer with a body."""
        self._send(with_body=True)

    def do_HEAD(self) -> None:
        """Answer without one."""
        self._send(with_body=False)

    def _send(self, *, with_body: bool) -> None:
        try:
            found = self.server.answer(self.headers.get_all("Host", []), self.path)
        except Exception as error:  # a fault of ours is told too, and the server goes on
            found = refused(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")
        self.send_response(found.status)
        own = {"Content-Type": found.kind, "Content-Length": str(len(found.body))}
        for name, value in {**HEADERS, **own, **found.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(found.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep silent: the terminal belongs to the user, and the token to no log."""


def serve(look: Look, *, port: int = 0, browser: bool = True) -> None:
    """Answer a browser until Ctrl-C.

    Args:
        look: Finds what there is to see.
        port: The port; 0 for any that is free.
        browser: Open the page.

    Raises:
        OSError: The port is taken or not allowed.
    """
    with Viewer(look, port) as viewer:
        print(f"{viewer.url}\nCtrl-C ends it.", flush=True)
        if browser:
            # a browser in the terminal would hold up the server that it waits for
            threading.Thread(target=webbrowser.open, args=(viewer.url,), daemon=True).start()
        try:
            viewer.serve_forever()
        except KeyboardInterrupt:
            print("closed")
