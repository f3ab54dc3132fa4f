"""Whatever goes wrong becomes a card; whatever the page sends is checked."""

import json
import logging

import pytest

from merger.errors import Cancelled, RecipeError
from viz.answers import MAX_BODY, answers


class _Desk:
    @answers
    def work(self, request):
        raise {"user": RecipeError("a", "b"), "ours": KeyError("secret"), "stop": Cancelled("")}[
            request["kind"]
        ]

    @answers
    def echo(self, request):
        return {"got": request["x"]}


def _ask(method, **request):
    return json.loads(method(json.dumps(request)).body)


def test_a_users_error_is_shown_with_its_remedy():
    card = _ask(_Desk().work, kind="user", seq=7)
    assert card["seq"] == 7
    assert (card["error"]["why"], card["error"]["todo"]) == ("a", "b")


def test_an_error_of_ours_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.ERROR, "mergescope"):
        card = _ask(_Desk().work, kind="ours")
    assert "secret" not in json.dumps(card)
    mark = card["error"]["why"].split("as ")[1].split(";")[0]
    assert mark in caplog.text


def test_what_was_cancelled_is_no_error():
    assert _ask(_Desk().work, kind="stop") == {"seq": 0, "cancelled": True}


@pytest.mark.parametrize("body", [None, 3, "[]", "{", '{"seq": NaN}', "x" * (MAX_BODY + 1)])
def test_what_is_no_request_is_refused(body):
    assert "error" in json.loads(_Desk().echo(body).body)


def test_numbers_that_are_not_finite_become_null():
    class Odd:
        @answers
        def get(self, request):
            return {"x": float("nan")}

    assert json.loads(Odd().get("{}").body)["x"] is None
