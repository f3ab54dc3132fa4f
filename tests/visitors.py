"""A visitor without a browser: speaks to the running app as the page does."""

import json
import random
import secrets
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import yaml

# What hangs shall end the test, and not what is slow beside other work.
ANSWER_SECONDS = 300


@dataclass
class Visitor:
    """Drags coefficients of experts and a method of their own.

    Args:
        url: Where the app is.
        number: Decides the method, the experts and every move; equal numbers drag alike.
        methods: What to choose the method from.
    """

    url: str
    number: int
    methods: tuple[str, ...] = ("task_arithmetic", "linear", "ties", "dare_linear")
    seconds: list[float] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Come in as a page does, and make the first recipe one's own."""
        self.name = secrets.token_urlsafe(24)
        self._session = secrets.token_hex(5)
        self._moves = random.Random(self.number)
        self._hook = _hook(self.url)
        self._seq = 0
        self.draft: dict[str, Any] = self.ask("open", {})["draft"]
        self.draft["method"] = self.methods[self.number % len(self.methods)]
        self.draft["params"] = {}
        rows = self.draft["experts"]
        for i, row in enumerate(rows):
            row["on"] = i in (self.number % len(rows), (self.number // 2 + 1) % len(rows), 0)

    def ask(self, what: str, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the server one thing."""
        self._seq += 1
        body = {"seq": self._seq, "visitor": self.name, **request}
        message = {
            "data": json.dumps(body),
            "component_id": self._hook,
            "fn_name": f"ms_{what}",
            "session_hash": self._session,
        }
        sent = urllib.request.Request(
            f"{self.url}gradio_api/component_server",
            json.dumps(message).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(sent, timeout=ANSWER_SECONDS) as answer:
            return json.loads(answer.read())

    def move(self) -> dict[str, Any]:
        """Move every coefficient and return what the page would show."""
        for row in self.draft["experts"]:
            row["weight"] = round(self._moves.uniform(0, 1.5), 3)
        start = time.perf_counter()
        answer = self.look("preview")
        self.seconds.append(time.perf_counter() - start)
        self.answers.append(answer)
        return answer

    def look(self, what: str) -> dict[str, Any]:
        """Ask for what the draft does, estimated ("preview") or measured ("settle")."""
        return self.ask(what, {"draft": self.draft, "visible": ["tasks"]})

    def weights(self, answer: dict[str, Any]) -> list[float]:
        """Return the coefficients of the recipe that an answer is about."""
        recipe = yaml.safe_load(answer["text"])
        return recipe.get("weights") or [1.0] * len(recipe["experts"])

    def own_weights(self) -> list[float]:
        """Return the coefficients that this visitor has set last."""
        return [row["weight"] for row in self.draft["experts"] if row["on"]]


def _hook(url: str) -> int:
    """Return the number of the hidden component that answers the page."""
    with urllib.request.urlopen(f"{url}config", timeout=ANSWER_SECONDS) as answer:
        components = json.loads(answer.read())["components"]
    return next(c["id"] for c in components if c["props"].get("elem_id") == "ms-hook")
