"""A small application behind the gate: says who lightgate says the caller is. It checks no token itself."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Application(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = {
            "path": self.path,
            "user": self.headers.get("X-User", ""),
            "roles": self.headers.get("X-Roles", ""),
            "token": self.headers.get("Authorization", ""),  # lightgate keeps it: none comes here
        }
        body = json.dumps(page).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8000), Application).serve_forever()
