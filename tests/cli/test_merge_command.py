"""`merge`, `doctor`, `measure` and `score` on a Llama-shaped family."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from safetensors import safe_open

from merger.cli.progress import progress_bar
from merger.cli.stopping import stop_on_interrupt
from merger.progress import Progress

ROOT = Path(__file__).parents[2]


def test_merge_writes_a_model_folder_and_says_what_it_left(run, recipe, tmp_path):
    said = run("merge", recipe(), "--out", tmp_path / "out", "--json")
    assert said.code == 0, said.err
    result = said.json
    assert set(result) == {"path", "bytes", "files", "digest"}
    assert result["path"] == str(tmp_path / "out") and len(result["digest"]) == 64
    assert "config.json" in result["files"] and "recipe.yaml" in result["files"]
    assert result["bytes"] == sum(p.stat().st_size for p in (tmp_path / "out").rglob("*"))


def test_a_merge_that_does_not_wait_for_the_disk_is_the_same_model(run, recipe, tmp_path):
    for name, options in (("waits", []), ("goes", ["--no-sync"])):
        said = run("merge", recipe(), "--out", tmp_path / name, *options)
        assert said.code == 0, said.err
    waits, goes = (sorted((tmp_path / name).glob("*.safetensors")) for name in ("waits", "goes"))
    assert [p.name for p in goes] == [p.name for p in waits]
    assert [p.read_bytes() for p in goes] == [p.read_bytes() for p in waits]


def test_merge_for_people_is_one_line(run, recipe, tmp_path):
    said = run("merge", recipe(), "--out", tmp_path / "out")
    assert said.code == 0 and said.out.count("\n") == 1 and "KiB" in said.out
    assert said.err == "", "no bar where nobody watches"


def test_a_bar_is_drawn_where_it_is_asked_for(run, recipe, tmp_path):
    said = run("merge", recipe(), "--out", tmp_path / "out", "--progress")
    assert said.code == 0 and "100%" in said.err


def test_an_existing_output_is_kept_unless_forced(run, recipe, tmp_path):
    out = tmp_path / "out"
    assert run("merge", recipe(), "--out", out).code == 0
    before = (out / "recipe.yaml").read_text()
    path = recipe("params: {scale: 0.5}\n")
    said = run("merge", path, "--out", out)
    assert said.code == 1 and "--force" in said.err
    assert (out / "recipe.yaml").read_text() == before
    assert run("merge", path, "--out", out, "--force").code == 0
    assert (out / "recipe.yaml").read_text() != before


def test_a_target_below_a_file_is_an_error_of_the_user(run, recipe, tmp_path):
    (tmp_path / "file").touch()
    said = run("merge", recipe(), "--out", tmp_path / "file" / "out", "--json")
    assert said.code == 1 and said.json["error"]["type"] == "OutputError"


def test_sixty_four_experts_merge(run, recipe, family, tmp_path):
    names = ", ".join(
        f"{{source: 'file:{family}/{('alpha', 'beta', 'gamma')[i % 3]}', name: e{i}}}"
        for i in range(64)
    )
    said = run("merge", recipe(experts=names, method="average"), "--out", tmp_path / "out")
    assert said.code == 0, said.err


def test_names_are_never_paths(run, recipe, family, tmp_path):
    name = "../../<script>alert(1)</script>"
    experts = f"{{source: 'file:{family}/alpha', name: '{name}'}}, file:{family}/beta"
    before = sorted(tmp_path.parent.iterdir())
    said = run("merge", recipe(experts=experts), "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert sorted(tmp_path.parent.iterdir()) == before
    assert not [p for p in tmp_path.rglob("*") if "script" in p.name]


def test_experts_that_do_not_fit_name_the_tensor(run, recipe, family, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.safetensors").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    path = recipe(experts=f"file:{family}/alpha, file:{other}")
    said = run("merge", path, "--out", tmp_path / "out", "--json")
    assert said.code == 1 and not (tmp_path / "out").exists()
    assert said.json["error"]["hint"]


def test_what_forbids_a_merge_is_said_once(run, recipe, tmp_path):
    path = recipe()
    path.write_text(path.read_text().replace("gamma", "nowhere"))
    said = run("merge", path, "--out", tmp_path / "out")
    assert said.code == 1
    assert said.err.count("error: ") == 1 and said.err.count("does not exist") == 1


def test_doctor_answers_with_the_public_shape(run, recipe):
    said = run("doctor", recipe(), "--json")
    assert said.code == 0
    assert set(said.json) == {
        "verdict", "problems", "parameters", "peak_bytes", "disk_bytes", "seconds", "models",
        "licence", "words", "fetch_bytes", "basis", "rough_seconds",
    }  # fmt: skip
    per_layer = 2 * 16 * 16 + 2 * 16 * 8 + 3 * 16 * 32 + 2 * 16
    assert said.json["parameters"] == 258 * 16 + 2 * per_layer + 16
    assert "verdict:" in run("doctor", recipe()).out


def test_doctor_names_what_forbids_the_merge_and_ends_with_1(run, recipe, family):
    said = run("doctor", recipe(experts=f"file:{family}/alpha, file:{family}/nowhere"), "--json")
    assert said.code == 1
    problem = said.json["problems"][0]
    assert set(problem) == {"severity", "what", "where", "remedy"}
    assert (problem["severity"], problem["where"]) == ("error", "nowhere")
    shown = run("doctor", recipe(experts=f"file:{family}/nowhere"))
    assert shown.code == 1 and "error: " in shown.out and "(nowhere)" in shown.out


def test_measure_answers_with_the_public_shape(run, recipe):
    said = run("measure", recipe(), "--json", "--sample", "0.5")
    assert said.code == 0
    assert set(said.json) == {
        "experts", "layers", "cosine", "norms", "conflict", "cancelled", "overlap", "sample",
        "interval",
    }  # fmt: skip
    assert said.json["experts"] == ["alpha", "beta", "gamma"] and said.json["sample"] == 0.5
    assert {"rate", "null", "by_layer", "pairwise"} == set(said.json["conflict"])


@pytest.mark.parametrize("experts", [None, "file:{}/alpha"])
def test_measure_for_people_shows_chance_beside_what_is_there(run, recipe, family, experts):
    said = run("measure", recipe(experts=experts and experts.format(family)))
    assert said.code == 0, said.err
    assert "BY CHANCE" in said.out and "sign conflict" in said.out and "COS alpha" in said.out


def test_score_of_a_recipe_and_of_its_saved_folder_agree(run, recipe, family, tmp_path):
    task = f"text:{family}/text.txt"
    live = run("score", recipe(), "--tasks", task, "--json")
    assert live.code == 0, live.out
    assert set(live.json) == {"split", "tasks", "mean", "normalised_mean", "worst", "digest"}
    (row,) = live.json["tasks"]
    assert {"task", "metric", "value", "low", "high", "n", "normalised"} == set(row)
    assert run("merge", recipe(), "--out", tmp_path / "out").code == 0
    saved = run("score", tmp_path / "out", "--tasks", task, "--json")
    assert saved.json["tasks"][0]["value"] == row["value"]
    assert "bits_per_byte" in run("score", tmp_path / "out", "--tasks", task).out


def test_an_unknown_task_is_an_error_of_the_user(run, recipe):
    said = run("score", recipe(), "--tasks", "mnsit", "--json")
    assert said.code == 1 and "mnsit" in said.json["error"]["message"]


def test_ctrl_c_stops_with_130_and_leaves_nothing(recipe, tmp_path):
    out = tmp_path / "out"
    code = (
        "import signal, sys, merger.engine as engine\n"
        "whole = engine.merge\n"
        "def merge(recipe, out, *, report=None, cancel=None, **rest):\n"
        "    def interrupt(progress):\n"
        "        cancel.is_set() or signal.raise_signal(signal.SIGINT)\n"
        "        cancel.wait(20)\n"
        "    return whole(recipe, out, report=interrupt, cancel=cancel, **rest)\n"
        "engine.merge = merge\n"
        "from merger.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "merge", str(recipe()), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.yaml"]


@pytest.fixture
def python_handler():
    """Let SIGINT be handled as Python does; a shell's background jobs are started to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("python_handler")
def test_the_first_ctrl_c_asks_and_the_second_one_stops():
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt() as event:
        signal.raise_signal(signal.SIGINT)
        assert event.is_set()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_stopping_outside_the_main_thread_needs_no_signals():
    seen = []

    def work():
        with stop_on_interrupt() as event:
            seen.append(event.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_every_phase_gets_a_bar_of_its_own(capsys):
    with progress_bar(True) as report:
        report(Progress(10, 10, "bytes", "survey"))
        report(Progress(0, 10, "bytes", "write"))
        report(Progress(10, 10, "bytes", "write"))
    assert capsys.readouterr().err.count("100%") >= 2


def test_notes_cannot_steer_the_terminal(capsys):
    with progress_bar(True) as report:
        report(Progress(1, 2, "steps", "evil\x1b[2J\nname"))
    assert "\x1b[2J" not in capsys.readouterr().err


def test_saved_tensors_open_with_the_format_library(run, recipe, tmp_path):
    assert run("merge", recipe(method="average"), "--out", tmp_path / "out").code == 0
    shard = sorted((tmp_path / "out").glob("*.safetensors"))[0]
    with safe_open(shard, "pt") as tensors:
        assert list(tensors.keys())
