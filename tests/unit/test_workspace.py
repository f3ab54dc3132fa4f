"""The workspace folder: migrations, sharing, names, sweeping, downloads."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
import zipfile

import pytest

from merger.errors import OutputError
from merger.library import Library, MergeFacts
from merger.workspace import MIGRATIONS, Workspace, folder_bytes, safe_name


@pytest.fixture
def workspace(tmp_path):
    with contextlib.closing(Workspace(tmp_path / "ws")) as workspace:
        yield workspace


def add_job(workspace, job_id, finished, size):
    with workspace.transaction() as db:
        db.execute(
            "INSERT INTO jobs (id, owner, kind, title, payload, state, runner, created, finished,"
            " result, bytes) VALUES (?, 'ann', 'merge', 't', '{}', ?, 'r', 1, ?, ?, ?)",
            (job_id, "DONE" if finished else "RUNNING", finished, '{"path": "p"}', size),
        )
    out = workspace.output_folder(job_id) / "model"
    out.mkdir(parents=True)
    (out / "w.bin").write_bytes(b"x" * size)


def test_opening_twice_keeps_what_is_stored(tmp_path):
    with contextlib.closing(Workspace(tmp_path)) as first:
        add_job(first, "aaaaaaaa", 5.0, 1)
    with contextlib.closing(Workspace(tmp_path)) as second:
        assert [row["id"] for row in second.rows("SELECT id FROM jobs")] == ["aaaaaaaa"]
        version = second.rows("SELECT max(version) AS v FROM schema_version")[0]["v"]
        assert version == len(MIGRATIONS)


def test_a_workspace_of_the_first_version_keeps_its_rows_and_learns_the_new_ones(tmp_path):
    scores = '{"split": "validation", "tasks": [], "mean": 0.5}'
    with contextlib.closing(sqlite3.connect(tmp_path / "workspace.sqlite")) as old:
        for statement in MIGRATIONS[0]:
            old.execute(statement)
        old.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
        old.execute("INSERT INTO schema_version VALUES (1)")
        old.execute(
            "INSERT INTO library (digest, split, scorer, owner, recipe, scores, note, pinned, "
            "created) VALUES ('d1', 'validation', '1', 'ann', 'method: average', ?, 'mine', 1, 5)",
            (scores,),
        )
        old.commit()
    with contextlib.closing(Workspace(tmp_path)) as workspace:
        library = Library(workspace)
        (row,) = library.list("ann", anchor="some base")
        assert (row.note, row.pinned, row.created) == ("mine", True, 5.0)
        assert (row.facts.anchor, row.facts.norm, row.facts.size_bytes) == ("", None, None)
        facts = MergeFacts("some base", 0.1, 9)
        library.add("d1", row.recipe, row.scores, scorer="1", owner="ann", facts=facts)
        (row,) = library.list("ann", anchor="some base")
        assert (row.note, row.facts.norm, row.facts.size_bytes) == ("mine", 0.1, 9)
    with contextlib.closing(Workspace(tmp_path)) as again:
        versions = [r["version"] for r in again.rows("SELECT version FROM schema_version")]
        assert versions == list(range(1, len(MIGRATIONS) + 1))


def test_a_workspace_of_a_newer_program_is_refused(tmp_path):
    with contextlib.closing(Workspace(tmp_path)) as first, first.transaction() as db:
        db.execute("INSERT INTO schema_version VALUES (?)", (len(MIGRATIONS) + 1,))
    with pytest.raises(OutputError, match="schema versions up to 2, the folder has version 3"):
        Workspace(tmp_path)


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path):
    (tmp_path / "workspace.sqlite").write_text("my precious notes" * 100)
    with pytest.raises(OutputError, match="not a database"):
        Workspace(tmp_path)
    assert (tmp_path / "workspace.sqlite").read_text().startswith("my precious")


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="must be a folder that can be written"):
        Workspace(tmp_path / "file" / "ws")


def test_a_transaction_happens_whole_or_not_at_all(workspace):
    with pytest.raises(ZeroDivisionError), workspace.transaction() as db:
        db.execute("INSERT INTO schema_version VALUES (9)")
        raise ZeroDivisionError
    assert len(workspace.rows("SELECT * FROM schema_version")) == len(MIGRATIONS)


def test_reading_does_not_wait_for_somebody_who_writes(workspace):
    with workspace.transaction() as db:
        db.execute("INSERT INTO schema_version VALUES (0)")
        assert len(workspace.rows("SELECT * FROM schema_version")) == len(MIGRATIONS)
    assert len(workspace.rows("SELECT * FROM schema_version")) == len(MIGRATIONS) + 1


def test_another_process_may_write_at_the_same_time(workspace):
    code = (
        "import sys; from merger.workspace import Workspace\n"
        "w = Workspace(sys.argv[1])\n"
        "for i in range(50):\n"
        "    with w.transaction() as db:\n"
        "        db.execute('INSERT INTO schema_version VALUES (0)')\n"
        "w.close()"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(workspace.folder)])
    for _ in range(50):
        with workspace.transaction() as db:
            db.execute("INSERT INTO schema_version VALUES (0)")
    assert other.wait() == 0
    assert len(workspace.rows("SELECT * FROM schema_version")) == 100 + len(MIGRATIONS)


def test_a_full_disk_is_told_in_words(workspace):
    with workspace.transaction() as db:
        db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(OutputError, match="full"), workspace.transaction() as db:
        db.execute("CREATE TABLE big AS SELECT zeroblob(1000000) AS x")


def test_sweeping_by_age_forgets_old_jobs_and_never_running_ones(workspace):
    add_job(workspace, "oldoldold", time.time() - 100, 10)
    add_job(workspace, "newnewnew", time.time(), 10)
    add_job(workspace, "running-job", None, 10)
    assert workspace.sweep(max_age_seconds=50) == 10
    left = {row["id"] for row in workspace.rows("SELECT id FROM jobs")}
    assert left == {"newnewnew", "running-job"}
    assert not workspace.output_folder("oldoldold").exists()


def test_sweeping_by_size_takes_the_oldest_first_and_keeps_the_row(workspace):
    add_job(workspace, "first-one", 1.0, 10)
    add_job(workspace, "second-one", 2.0, 10)
    add_job(workspace, "third-one", 3.0, 10)
    assert workspace.sweep(max_bytes=15) == 20
    assert folder_bytes(workspace.outputs) == 10
    row = workspace.rows("SELECT * FROM jobs WHERE id = 'first-one'")[0]
    assert row["bytes"] == 0 and row["result"] == '{"path":null}'
    assert workspace.output_folder("third-one").exists()


def test_sweeping_removes_folders_of_no_job_after_an_hour(workspace):
    orphan, fresh = workspace.outputs / "job-orphan", workspace.outputs / "job-fresh"
    orphan.mkdir()
    fresh.mkdir()
    os.utime(orphan, (1, 1))
    workspace.sweep()
    assert [p.name for p in workspace.outputs.iterdir()] == ["job-fresh"]


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("My merge 1.0", "My-merge-1.0"),
        ("../../etc/passwd", "etc-passwd"),
        ("<script>alert(1)</script>", "script-alert-1-script"),
        ("..", "merged"),
        (".hidden", "hidden"),
        ("", "merged"),
        ("C:\\x\0y", "C-x-y"),
        ("日本", "merged"),
        ("a" * 300, "a" * 64),
    ],
)
def test_safe_name_never_gives_a_path(typed, name):
    assert safe_name(typed) == name


@pytest.mark.parametrize("job_id", ["../escape", "", "a/b/c/d/e/f", "x" * 65, "a\0aaaaaaa"])
def test_only_ids_have_an_output_folder(workspace, job_id):
    with pytest.raises(OutputError, match="is not the id of a job"):
        workspace.output_folder(job_id)


def test_archive_packs_the_model_folder_once(workspace):
    add_job(workspace, "aaaaaaaa", 1.0, 10)
    pack = workspace.archive("aaaaaaaa")
    with zipfile.ZipFile(pack) as names:
        assert names.namelist() == ["model/w.bin"]
    assert workspace.archive("aaaaaaaa") == pack


def test_archive_of_too_much_names_the_folder_instead(workspace):
    add_job(workspace, "aaaaaaaa", 1.0, 10)
    with pytest.raises(OutputError, match="Copy it from"):
        workspace.archive("aaaaaaaa", limit_bytes=9)


def test_archive_of_what_is_gone_says_so(workspace):
    with pytest.raises(OutputError, match="no longer there"):
        workspace.archive("aaaaaaaa")


def test_the_database_uses_a_write_ahead_log(workspace):
    with contextlib.closing(sqlite3.connect(workspace.database)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
