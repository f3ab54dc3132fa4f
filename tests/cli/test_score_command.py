"""`score` for people: a row a task, what was measured, and nothing asked twice."""

import json

from merger.scorer import Scorer


def test_scores_say_their_unit_their_interval_and_what_was_measured(run, family, tmp_path):
    rows = [{"text": f"a film number {i}", "label": ("bad", "good")[i % 2]} for i in range(24)]
    (tmp_path / "films.jsonl").write_text("\n".join(map(json.dumps, rows)))
    names = [f"perplexity:{family}/text.txt", f"classify:{tmp_path}/films.jsonl"]
    said = run("score", family / "base", "--tasks", *names, "--split", "test")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[1].split()[:2] == ["perplexity:text", "perplexity"]
    assert f"{32 * 63:,} tokens" in lines[1] and "examples" in lines[2] and " to " in lines[2]
    # Different units have no mean.
    assert "test split" in said.out and "mean" not in lines[4]
    assert "windows of 64 tokens of the tokenizer of base" in said.out
    assert "24 rows, of which 24 count" in said.out and "'{text}\\nlabel:'" in said.out


def test_what_was_answered_is_not_asked_again_until_something_changes(
    run, family, tmp_path, monkeypatch
):
    path = tmp_path / "mine.txt"
    path.write_text("0123 45 " * 60)
    words = ("score", family / "alpha", "--tasks", f"text:{path}", "--json")
    first = run(*words)
    asked = []
    answer = Scorer._answer

    def counted(self, task, *rest):
        asked.append(task.name)
        return answer(self, task, *rest)

    monkeypatch.setattr(Scorer, "_answer", counted)
    assert run(*words).json == first.json and asked == []
    assert run(*words, "--fresh").json == first.json and asked == ["text:mine"]
    path.write_text("6789 01 " * 60)
    assert run(*words).json != first.json and len(asked) == 2


def test_two_tasks_of_one_name_are_refused(run, family, tmp_path):
    (tmp_path / "text.txt").write_text("0123 " * 100)
    said = run("score", family / "base", "--tasks", "text:text", f"text:{tmp_path}/text.txt")
    assert said.code == 1 and "two of these tasks have this name" in said.err
