"""What a page sends to be tried is read, bounded, and never trusted."""

import base64
from typing import Any

import numpy as np
import pytest

from merger.errors import TaskError
from merger.tasks import TextTask
from merger.tasks.zoo import zoo_tasks
from tests.builders import WINDOW, byte_tokenizer
from viz.questions import LONGEST_TEXT, PROMPT, image_question, text_question

TASKS = zoo_tasks()


def test_nothing_sent_asks_the_first_example() -> None:
    question = image_question({}, TASKS)
    assert question.task is TASKS[0] and question.number == 0
    data = TASKS[0].examples("validation")
    assert question.image.tolist() == data.images[0].tolist()
    assert question.truth == data.labels[0] and "validation" in question.how


@pytest.mark.parametrize("number", [481, -1, "3", None, 1e9, True])
def test_any_number_asks_some_example(number: Any) -> None:
    question = image_question({"task": "greek", "example": number}, TASKS)
    assert question.task.name == "greek" and 0 <= (question.number or 0) < 480


def test_a_drawing_looks_like_its_task_and_says_how() -> None:
    strokes = [[0.5, 0.1, 0.5, 0.9]]
    digit = image_question({"task": "mnist", "strokes": strokes}, TASKS)
    letter = image_question({"task": "latin", "strokes": strokes}, TASKS)
    assert digit.image[0, 0] == 0 and letter.image[0, 0] > 120
    assert "centred by mass" in digit.how and "paper" in letter.how
    assert digit.number is None and digit.truth == -1
    outside = image_question({"task": "mnist", "strokes": [[0.5, -9, 0.5, 9e9]]}, TASKS)
    assert (
        outside.image.tolist()
        == image_question({"task": "mnist", "strokes": [[0.5, 0, 0.5, 1]]}, TASKS).image.tolist()
    )


@pytest.mark.parametrize(
    ("strokes", "words"),
    [
        ([], "Nothing is drawn"),
        ([[]], "Nothing is drawn"),
        ([[0.5]], "could not be read"),
        ([["<b>", "x"]], "could not be read"),
        ([[float("nan"), 0.5]], "could not be read"),
        ({"a": 1}, "at most 200 strokes"),
        ([[0.1, 0.1]] * 201, "at most 200 strokes"),
        ([[0.1] * 8002], "at most 4,000 points, got 4,001"),
    ],
)
def test_a_drawing_that_cannot_be_used_is_told(strokes: Any, words: str) -> None:
    with pytest.raises(TaskError, match=words):
        image_question({"task": "mnist", "strokes": strokes}, TASKS)


def picture(pixels: np.ndarray, **more: Any) -> dict[str, Any]:
    return {"task": "mnist", "picture": base64.b64encode(pixels.tobytes()).decode(), **more}


def test_a_picture_is_taken_as_it_is_turned_or_made_like_the_task() -> None:
    page = np.full((56, 56), 200, np.uint8)
    page[10:46, 26:30] = 0
    plain = image_question(picture(page), TASKS)
    assert plain.image[0, 0] == 200 and plain.image[14, 13] == 0 and "28 × 28" in plain.how
    turned = image_question(picture(page, invert=True), TASKS)
    assert (turned.image == 255 - plain.image).all() and "exchanged" in turned.how
    like = image_question(picture(page, like=True), TASKS)
    assert like.image[0, 0] == 0 and like.image[14, 13] > 200 and "border" in like.how


@pytest.mark.parametrize("sent", ["", "?", "AAAA", None, 7, "A" * 40_000])
def test_a_picture_that_cannot_be_read_is_told(sent: Any) -> None:
    with pytest.raises(TaskError, match="could not be read"):
        image_question({"task": "mnist", "picture": sent}, TASKS)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> list[TextTask]:
    folder = tmp_path_factory.mktemp("texts")
    byte_tokenizer().save_pretrained(folder / "base")
    (folder / "base" / "config.json").write_text(f'{{"max_position_embeddings": {WINDOW}}}')
    (folder / "one.txt").write_text("".join(chr(97 + i % 26) for i in range(10 * WINDOW)))
    return [TextTask(folder / "one.txt", folder / "base")]


def test_a_typed_text_is_taken_as_it_is(texts: list[TextTask]) -> None:
    question = text_question({"text": "<b>hi\ud800</b>"}, texts)
    assert question.text == "<b>hi?</b>" and question.task is None and question.number is None
    with pytest.raises(TaskError, match="at most 2,000 characters, got 2,001"):
        text_question({"text": "x" * (LONGEST_TEXT + 1)}, texts)


def test_a_passage_is_asked_by_its_number(texts: list[TextTask]) -> None:
    question = text_question({"task": "text:one", "example": 6}, texts)
    assert question.number == 1 and question.text == texts[0].passage("validation", 1)
    assert text_question({"text": 7}, texts).number == 0
    assert text_question({}, []).text == PROMPT
