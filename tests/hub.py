"""A small hub on loopback: enough of its protocol to fetch from it and to publish to it."""

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

TOKENS = {"hf_owner": "owner", "hf_friend": "friend", "hf_reader": "reader"}
READ_ONLY = ("reader",)


@dataclass
class Repo:
    """One repository: its files, and who may read them."""

    files: dict[str, bytes] = field(default_factory=dict)
    private: bool = False
    gated: bool = False
    readers: tuple[str, ...] = ("owner",)
    branches: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def at(self, revision: str) -> dict[str, bytes] | None:
        """Return the files of a branch or commit, or None."""
        for name, files in {"main": self.files, **self.branches}.items():
            if revision in (name, commit_of(files)):
                return files
        return None

    def reads(self, user: str | None) -> bool:
        return not (self.private or self.gated) or user in self.readers


# (method, path, user) -> what to do instead of answering: see Fault's names, or None.
Fault = Callable[[str, str], str | None]


@dataclass
class FakeHub:
    """The state of the hub, and what it was asked."""

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    fault: Fault = lambda method, path: None
    stored: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)

    def sent_of_weights(self) -> int:
        """Return how many bytes of weight files went out whole."""
        return sum(size for name, size in self.sent.items() if name.endswith(".safetensors"))

    def fetched(self) -> list[str]:
        """Return the names of files whose bytes were asked for, sorted."""
        paths = {path for method, path, _ in self.asked if method == "GET" and "/resolve/" in path}
        return sorted({path.rpartition("/")[2] for path in paths})

    def users(self) -> set[str | None]:
        return {user for _, _, user in self.asked}


def commit_of(files: dict[str, bytes]) -> str:
    total = hashlib.sha1()
    for name in sorted(files):
        total.update(name.encode() + b"\0" + hashlib.sha1(files[name]).digest())
    return total.hexdigest()


def failing(part: str, how: str, times: int, method: str = "GET") -> Fault:
    """Return a fault that strikes the first requests whose path holds a text."""
    left = [times]

    def fault(asked: str, path: str) -> str | None:
        if asked != method or part not in path or not left[0]:
            return None
        left[0] -= 1
        return how

    return fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        user = TOKENS.get(token)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        # huggingface_hub asks this for itself, once a process and without a token.
        if path != "/api/agent-harnesses":
            self.hub.asked.append((self.command, path, user))
        self.how = self.hub.fault(self.command, path)
        if self.how in ("500", "503", "429"):
            self._say(int(self.how), {"error": "in trouble"})
        elif self.how == "reset":
            self._reset()
        elif self.how == "hang":
            self._hang()
        elif token and user is None:
            wrong = "Invalid credentials in Authorization header"
            self._say(401, {"error": wrong}, {"X-Error-Message": wrong})
        else:
            self._route(path, user)

    def _route(self, path: str, user: str | None) -> None:
        if path == "/api/repos/create":
            self._create(user)
        elif path == "/api/whoami-v2":
            self._say(200, {"name": user, "type": "user", "auth": {"type": "access_token"}})
        elif path == "/api/validate-yaml":
            self._say(200, {"errors": [], "warnings": []})
        elif path.startswith("/stored/"):
            self.hub.stored[path.removeprefix("/stored/")] = self.body
            self._say(200, {})
        elif path.startswith("/api/models/"):
            self._model(path.removeprefix("/api/models/"), user)
        elif "/resolve/" in path:
            self._file(path, user)
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._batch()
        else:
            self._say(404, {"error": f"the fake hub knows no {path}"})

    def _find(self, name: str, user: str | None) -> Repo | None:
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not repo.reads(user)):
            code = 404 if user else 401
            self._say(code, {"error": "not found"}, {"X-Error-Code": "RepoNotFound"})
            return None
        return repo

    def _model(self, rest: str, user: str | None) -> None:
        name = "/".join(rest.split("/")[:2])
        action, _, revision = rest.removeprefix(name).strip("/").partition("/")
        repo = self._find(name, user)
        if repo is None:
            return
        if action == "auth-check":
            self._say(200, {}) if repo.reads(user) else self._gated()
        elif action == "preupload":
            asked = json.loads(self.body)["files"]
            modes = [self._mode(file["path"]) for file in asked]
            self._say(200, {"files": modes})
        elif action == "commit":
            self._commit(repo, name)
        else:
            files = repo.at(revision or "main")
            if files is None:
                self._say(404, {"error": "no"}, {"X-Error-Code": "RevisionNotFound"})
                return
            siblings = [{"rfilename": n, "size": len(files[n])} for n in sorted(files)]
            table = {"id": name, "sha": commit_of(files), "siblings": siblings}
            gated = "manual" if repo.gated else False
            self._say(200, table | {"private": repo.private, "gated": gated, "tags": []})

    def _mode(self, path: str) -> dict[str, Any]:
        mode = "lfs" if path.endswith(".safetensors") else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": False}

    def _file(self, path: str, user: str | None) -> None:
        name, _, rest = path.strip("/").partition("/resolve/")
        revision, _, filename = rest.partition("/")
        repo = self._find(name, user)
        if repo is None:
            return
        if not repo.reads(user):
            self._gated()
            return
        files = repo.at(revision)
        if files is None or filename not in files:
            self._say(404, {"error": "no"}, {"X-Error-Code": "EntryNotFound"})
            return
        self._send(files[filename], commit_of(files))

    def _send(self, content: bytes, commit: str) -> None:
        whole, start, last = len(content), 0, len(content) - 1
        # "whole" stands for a server that does not know ranges.
        wanted = None if self.how == "whole" else self.headers.get("Range")
        if wanted:
            first, _, end = wanted.removeprefix("bytes=").partition("-")
            start, last = int(first), min(int(end or last), last)
        part = content[start : last + 1]
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(part)))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{last}/{whole}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.how in ("cut", "break", "stall"):
            self.wfile.write(part[: len(part) // 2])
            self.wfile.flush()
            if self.how == "break":
                self._reset()
            if self.how == "stall":
                self._hang()
            self.close_connection = True
            return
        name = unquote(urlsplit(self.path).path).rpartition("/")[2]
        self.hub.sent[name] = self.hub.sent.get(name, 0) + len(part)
        self.wfile.write(part)

    def _hang(self) -> None:
        """Say nothing until the reader has had enough of waiting."""
        self.connection.settimeout(60)
        with suppress(OSError):
            self.connection.recv(1)
        self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _gated(self) -> None:
        self._say(403, {"error": "gated"}, {"X-Error-Code": "GatedRepo"})

    def _create(self, user: str | None) -> None:
        asked = json.loads(self.body)
        name = f"{asked.get('organization') or user}/{asked['name']}"
        if user is None:
            self._say(401, {"error": "who are you"})
        elif user in READ_ONLY or name.partition("/")[0] != user:
            self._say(403, {"error": "no rights"}, {"X-Error-Message": "no rights"})
        elif name in self.hub.repos:
            self._say(409, {"error": "You already created this model repo"})
        else:
            private = asked.get("private", False) or asked.get("visibility") == "private"
            self.hub.repos[name] = Repo({".gitattributes": b""}, private=private, readers=(user,))
            self._say(200, {"url": f"{self.hub.url}/{name}", "id": "1", "name": name})

    def _batch(self) -> None:
        objects = json.loads(self.body)["objects"]
        there = [
            {**o, "actions": {"upload": {"href": f"{self.hub.url}/stored/{o['oid']}"}}}
            for o in objects
        ]
        self._say(200, {"transfer": "basic", "objects": there})

    def _commit(self, repo: Repo, name: str) -> None:
        lines = [json.loads(line) for line in self.body.splitlines()]
        parent = next(o["value"].get("parentCommit") for o in lines if o["key"] == "header")
        if parent and parent != commit_of(repo.files):
            self._say(412, {"error": "A commit has happened since. Please refresh and try again."})
            return
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                repo.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repo.files[value["path"]] = self.hub.stored[value["oid"]]
            elif line["key"] != "header":
                raise AssertionError(f"nothing but additions: {line}")
        commit = commit_of(repo.files)
        url = f"{self.hub.url}/{name}/commit/{commit}"
        self._say(200, {"commitUrl": url, "commitOid": commit, "success": True})

    def _say(self, code: int, table: Any, headers: dict[str, str] | None = None) -> None:
        body = b"" if self.command == "HEAD" else json.dumps(table).encode()
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of readers that hang up."""


@contextmanager
def serving() -> Iterator[FakeHub]:
    """Run a hub while something is asked of it."""
    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = _Server(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hub_environment(hub: FakeHub, folder: Path) -> dict[str, str]:
    """Return what a program of its own needs to take this for the hub, with a cache of its own."""
    return {
        "HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "home"),
        "HF_HUB_CACHE": str(folder / "cache"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0",
    }  # fmt: skip


def model_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a model's folder, as a repository has them."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@contextmanager
def hub_at_hand(folder: Any, patch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Run a hub that this process takes for the hub, with a cache of its own and no token."""
    from huggingface_hub import close_session, constants
    from huggingface_hub.utils import logging

    import merger.hub.asking as asking

    with serving() as hub:
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        patch.setattr(constants, "ENDPOINT", hub.url)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
        patch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.delenv("HF_TOKEN", raising=False)
        patch.setattr(asking, "PAUSES", (0.0, 0.0, 0.0))
        # Inside huggingface_hub too nothing waits.
        patch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
        logging.set_verbosity_error()
        try:
            yield hub
        finally:
            close_session()
            logging.set_verbosity_warning()
