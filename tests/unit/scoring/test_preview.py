"""The live estimate: full score plus paired change on a fixed subset."""

from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from merger.checkpoint import FileCheckpoint
from merger.errors import Cancelled
from merger.preview import Preview, paired_change
from merger.scorer import FullScore, Scorer, read_tensors
from merger.scoring import best_of
from merger.tasks import find_tasks
from merger.tasks.base import Outcomes
from tests.builders import build_llama_family


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llama_family(tmp_path_factory.mktemp("family"), train_steps=20)


@pytest.fixture(scope="module")
def scorer(family: Path) -> Scorer:
    base = FileCheckpoint(family / "base")
    return Scorer(base, find_tasks(base))


def tensors(family: Path, name: str) -> dict[str, torch.Tensor]:
    return read_tensors(FileCheckpoint(family / name))


def full(scorer: Scorer, family: Path, name: str) -> FullScore:
    return scorer.full(name, lambda: tensors(family, name))


def nothing(*_: object) -> None:
    return None


def right_or_wrong(marks: str) -> Outcomes:
    top = np.array([float(mark) for mark in marks])
    return Outcomes(top, np.ones(len(top)), np.arange(len(top)))


def test_a_paired_change_counts_only_what_changed() -> None:
    change = paired_change(right_or_wrong("11110"), right_or_wrong("11001"))
    assert change.value == pytest.approx(1 / 5)
    assert change.low < 0 < change.high
    assert not change.sees_difference


def test_twenty_answers_that_all_turn_right_are_a_difference() -> None:
    change = paired_change(right_or_wrong("1" * 20), right_or_wrong("0" * 20))
    assert change.value == 1.0
    assert change.sees_difference


def test_bits_change_by_the_sum_of_bits_over_the_sum_of_bytes() -> None:
    now = Outcomes(np.array([10.0, 20.0]), np.array([4.0, 6.0]), np.arange(2))
    before = Outcomes(np.array([12.0, 23.0]), np.array([4.0, 6.0]), np.arange(2))
    change = paired_change(now, before)
    assert change.value == pytest.approx(-0.5)
    assert change.low <= -0.5 <= change.high


def test_the_preview_is_the_full_score_when_the_subset_is_everything(
    scorer: Scorer, family: Path
) -> None:
    reference, wanted = full(scorer, family, "base"), full(scorer, family, "alpha")
    live = Preview(scorer, size=10_000).compare(
        "alpha", tensors(family, "alpha"), reference, nothing
    )
    for row in live.tasks:
        assert row.value == pytest.approx(wanted.outcomes[row.task].value, rel=1e-6)
        assert row.low <= row.value <= row.high
        assert row.n == len(wanted.outcomes[row.task])
    assert (live.digest, live.reference) == ("alpha", "base")


def test_the_same_model_shows_no_difference(scorer: Scorer, family: Path) -> None:
    reference = full(scorer, family, "beta")
    live = Preview(scorer, size=6).compare("b", tensors(family, "beta"), reference, nothing)
    assert not live.differs
    for row in live.tasks:
        assert row.change == pytest.approx(0, abs=1e-6)
        assert row.value == pytest.approx(reference.outcomes[row.task].value, abs=1e-6)


def test_a_small_subset_shows_what_an_expert_gains_on_its_own_text(
    scorer: Scorer, family: Path
) -> None:
    reference = full(scorer, family, "base")
    live = Preview(scorer, size=12).compare("g", tensors(family, "gamma"), reference, nothing)
    own = next(row for row in live.tasks if row.task == "text:gamma")
    assert own.n == 12
    assert own.differs
    assert own.change < 0
    truth = full(scorer, family, "gamma").outcomes["text:gamma"].value
    assert own.value == pytest.approx(truth, abs=0.1)


def test_a_measured_subset_keeps_its_bounds(scorer: Scorer) -> None:
    preview = Preview(scorer)
    assert all(4 <= n <= 32 for n in preview.sizes.values())
    assert preview.bare_seconds > 0


def test_a_preview_hears_a_cancel(scorer: Scorer, family: Path) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        Preview(scorer, size=4).answer(tensors(family, "alpha"), stop)


def test_a_preview_in_the_middle_of_a_full_pass_changes_none_of_its_answers(
    scorer: Scorer, family: Path
) -> None:
    other, between = tensors(family, "alpha"), Preview(scorer, size=4)
    calm = full(scorer, family, "gamma")
    disturbed = scorer.full(
        "gamma once more",
        lambda: tensors(family, "gamma"),
        report=lambda _: between.answer(other) and None,
    )
    assert disturbed.outcomes == calm.outcomes


def test_normalised_is_relative_to_the_best_of_the_experts(scorer: Scorer, family: Path) -> None:
    experts = [FileCheckpoint(family / name) for name in ("alpha", "beta")]
    best = best_of(scorer, experts)
    reference = full(scorer, family, "base")
    live = Preview(scorer, size=99).compare("x", tensors(family, "alpha"), reference, best)
    row = next(row for row in live.tasks if row.task == "text:alpha")
    assert row.normalised == pytest.approx(1.0, rel=1e-6)
    assert live.worst is not None
    assert live.normalised_mean is not None
    assert live.normalised_mean < 1
