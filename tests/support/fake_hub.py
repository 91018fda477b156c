"""A model hub of one process: just enough of its HTTP interface to upload and download models."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]


class FakeHub:
    """Repositories by name, and every path that was asked for."""

    def __init__(self) -> None:
        self.repositories: dict[str, Files] = {}
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []
        self.downloads: list[str] = []
        self.url = ""

    def sha(self, repository: str) -> str:
        digest = hashlib.sha1(repr(sorted(self.repositories[repository].items())).encode())
        return digest.hexdigest()


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            hub.asked.append(f"GET {self.path}")
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                self._about("/".join(parts[2:4]), parts[4:])
            elif len(parts) > 4 and parts[2] == "resolve":
                self._file("/".join(parts[:2]), "/".join(parts[4:]))
            else:
                self._json({"error": "not here"}, 404)

        do_HEAD = do_GET

        def do_POST(self) -> None:
            hub.asked.append(f"POST {self.path}")
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            if parts == ["api", "repos", "create"]:
                fields = json.loads(body)
                name = f"{fields.get('organization') or 'user'}/{fields['name']}"
                hub.repositories.setdefault(name, {})
                hub.private[name] = bool(
                    fields.get("private") or fields.get("visibility") == "private"
                )
                self._json({"url": f"{hub.url}/{name}", "name": name, "id": name})
            elif parts == ["api", "validate-yaml"]:
                self._json({"errors": [], "warnings": []})
            elif parts[4:5] == ["preupload"]:
                files = []
                for file in json.loads(body)["files"]:
                    one = {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    files.append(one)
                self._json({"files": files})
            elif parts[4:5] == ["commit"]:
                self._commit("/".join(parts[2:4]), body)
            else:
                self._json({"error": "not here"}, 404)

        def _commit(self, name: str, body: bytes) -> None:
            files = hub.repositories[name]
            for line in body.splitlines():
                operation = json.loads(line)
                value = operation["value"]
                if operation["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif operation["key"] == "deletedFile":
                    files.pop(value["path"], None)
            url = f"{hub.url}/{name}/commit/{hub.sha(name)}"
            self._json({"commitUrl": url, "commitOid": hub.sha(name)})

        def _about(self, name: str, rest: list[str]) -> None:
            if name not in hub.repositories:
                self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
                return
            files = hub.repositories[name]
            if rest[:1] == ["tree"]:
                entries = []
                for path, data in files.items():
                    oid = hashlib.sha1(data).hexdigest()
                    entries.append({"type": "file", "path": path, "size": len(data), "oid": oid})
                self._json(entries)
                return
            siblings = [{"rfilename": path} for path in files]
            self._json({"id": name, "modelId": name, "sha": hub.sha(name), "siblings": siblings})

        def _file(self, name: str, path: str) -> None:
            data = hub.repositories.get(name, {}).get(path)
            if data is None:
                self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
                return
            if self.command == "GET":
                hub.downloads.append(path)
            etag = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": hub.sha(name)}
            self._send(data, 200, "application/octet-stream", etag)

        def _json(
            self, value: object, status: int = 200, headers: dict[str, str] | None = None
        ) -> None:
            self._send(json.dumps(value).encode(), status, "application/json", headers or {})

        def _send(self, data: bytes, status: int, kind: str, headers: dict[str, str]) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
