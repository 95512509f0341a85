"""One process of a function, and the port of the Lambda Runtime API that it talks to."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_API = "/2018-06-01/runtime/"


class Invocation:
    def __init__(self, payload: dict[str, str]):
        self.id = payload["invoke-id"]
        self.payload = payload
        self.done = threading.Event()
        self.body = b""
        self.is_error = False


class Sandbox:
    """`start(port)` starts the process; `timeout` is the function's, in seconds."""

    def __init__(self, start: Callable[[int], subprocess.Popen], timeout: float):
        self.timeout = timeout
        self.init_error: bytes | None = None
        self.closed = False
        self._changed = threading.Condition()
        self._waiting = False
        self._pending: Invocation | None = None
        self._current: Invocation | None = None
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True).start()
        self.process = start(self._server.server_address[1])
        threading.Thread(target=self._reap, daemon=True).start()

    def usable(self) -> bool:
        return not self.closed and self.init_error is None

    def wait_initialised(self, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._waiting or not self.usable(), timeout)

    def submit(self, invocation: Invocation) -> None:
        with self._changed:
            self._pending = invocation
            if not self.usable():
                invocation.done.set()
            self._changed.notify_all()

    def kill(self) -> None:
        """Ends the process with all that it has started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._server.shutdown()
        self._server.server_close()

    # What the process asks of the Runtime API

    def next(self) -> Invocation | None:
        with self._changed:
            self._waiting, self._current = True, None
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._pending or self.closed)
            self._waiting = False
            if self.closed:
                return None
            self._current, self._pending = self._pending, None
            return self._current

    def answer(self, invocation_id: str, body: bytes, is_error: bool) -> bool:
        invocation = self._current
        if invocation is None or invocation.id != invocation_id:
            return False
        invocation.body, invocation.is_error = body, is_error
        invocation.done.set()
        return True

    def fail_init(self, body: bytes) -> None:
        with self._changed:
            self.init_error = body
            self._release()

    def _reap(self) -> None:
        self.process.wait()
        with self._changed:
            self.closed = True
            self._release()

    def _release(self) -> None:
        for invocation in (self._current, self._pending):
            if invocation:
                invocation.done.set()
        self._changed.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, sandbox: Sandbox):
        self.sandbox = sandbox
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request, client_address):
        """A process that was killed leaves broken connections: nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one packet
    server: _Server

    def do_GET(self):
        if self.path != _API + "invocation/next":
            return self._send(404)
        invocation = self.server.sandbox.next()
        if invocation is None:
            self.close_connection = True
            return None
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.server.sandbox.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.payload["invoked-function-arn"],
            "Lambda-Runtime-Trace-Id": invocation.payload.get("trace-id", ""),
        }
        return self._send(200, invocation.payload["payload"].encode(), headers)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == _API + "init/error":
            self.server.sandbox.fail_init(body)
            return self._send(202)
        parts = self.path.removeprefix(_API).split("/")
        if len(parts) != 3 or parts[0] != "invocation" or parts[2] not in ("response", "error"):
            return self._send(404)
        known = self.server.sandbox.answer(parts[1], body, parts[2] == "error")
        return self._send(202 if known else 400)

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *args):
        pass
