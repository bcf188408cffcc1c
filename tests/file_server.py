"""A server of files on this machine that fails as servers do."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Site:
    """What is served: contents by path, and how.

    Args:
        drops: after how many bytes of an answer the connection is closed, for as many answers as there are entries.
        ranges: whether a Range is answered with the rest; if not, with the whole.
        etag: the entity tag of every file, or None.
        length: whether answers have a Content-Length.
        lies: headers that replace those of partial answers.
        asked: the Range of each request, or "", as they came.
    """

    contents: dict[str, bytes]
    drops: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: str | None = '"1"'
    length: bool = True
    encoding: str | None = None
    lies: dict[str, str] = field(default_factory=dict)
    barrier: threading.Event | None = None
    asked: list[str] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, wanted = self.site, self.headers.get("Range", "")
        site.asked.append(wanted)
        if site.barrier is not None:
            site.barrier.wait(20)
        if self.path not in site.contents:
            self.send_error(404)
            return
        content = site.contents[self.path]
        begin = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and site.ranges else 0
        if begin >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        headers = {"Content-Length": str(len(content) - begin)} if site.length else {}
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            headers |= site.lies
        if site.etag:
            headers["ETag"] = site.etag
        if site.encoding:
            headers["Content-Encoding"] = site.encoding
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        body = content[begin:]
        with suppress(ConnectionError):  # who asked has heard enough
            self.wfile.write(body[: site.drops.pop(0)] if site.drops else body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve a site while the block runs; its `url` is then known."""
    handler = type("SiteHandler", (Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    site.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
