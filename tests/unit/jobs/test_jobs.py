"""States, progress, cancel, crashes, owners and limits of background jobs."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from merger.errors import JobError
from merger.jobs import Job, JobRunner, JobState, Limits, rate
from merger.workspace import Workspace
from tests.unit.jobs.work import KINDS


@pytest.fixture
def workspace(tmp_path):
    with contextlib.closing(Workspace(tmp_path / "ws")) as workspace:
        yield workspace


@pytest.fixture
def runner(workspace):
    with contextlib.closing(JobRunner(workspace, kinds=KINDS, grace_seconds=0.2)) as runner:
        yield runner


def submit(runner, kind, owner="ann", title="a merge", **payload):
    return runner.submit(kind, payload, owner=owner, title=title)


def wait_until_running(runner, job_id):
    """Block until a job has reported, without sleeping."""
    with runner._changed:
        assert runner._changed.wait_for(lambda: runner.get(job_id).done > 0, 20)


def test_a_job_runs_to_its_result_and_says_how_far_it_is(runner):
    job = submit(runner, "count", total=5)
    assert job.state in (JobState.WAITING, JobState.RUNNING)
    end = runner.wait(job.id, 20)
    assert end.state is JobState.DONE
    assert (end.done, end.total, end.unit, end.note) == (5, 5, "steps", "step 5")
    assert end.result["counted"] == 5 and end.error is None
    assert end.seconds > 0


def test_json_has_the_ten_public_fields_and_no_owner(runner):
    end = runner.wait(submit(runner, "count", total=1).id, 20).to_json()
    assert list(end) == [
        "id", "title", "state", "done", "total", "unit", "note", "seconds", "error", "result",
    ]  # fmt: skip
    assert end["state"] == "DONE"


def test_jobs_run_in_the_order_they_came_and_say_how_many_are_ahead(runner, tmp_path):
    first = submit(runner, "wait_for", until=str(tmp_path / "go"))
    second, third = submit(runner, "count", total=1), submit(runner, "count", total=1)
    assert runner.get(second.id).note == "1 job is ahead"
    assert runner.get(third.id).note == "2 jobs are ahead"
    (tmp_path / "go").touch()
    ends = [runner.wait(job.id, 20) for job in (first, second, third)]
    assert [end.state for end in ends] == [JobState.DONE] * 3


def test_cancel_stops_a_running_job_and_cleans_its_half(runner, workspace, tmp_path):
    job = submit(runner, "wait_for", until=str(tmp_path / "never"))
    wait_until_running(runner, job.id)
    assert (workspace.output_folder(job.id) / "half.tmp").exists()
    runner.cancel(job.id, "ann")
    assert runner.wait(job.id, 20).state is JobState.CANCELLED
    assert not workspace.output_folder(job.id).exists()


def test_cancel_of_a_waiting_job_takes_effect_at_once(runner, tmp_path):
    first = submit(runner, "wait_for", until=str(tmp_path / "go"))
    second = submit(runner, "count", total=1)
    assert runner.cancel(second.id).state is JobState.CANCELLED
    (tmp_path / "go").touch()
    assert runner.wait(first.id, 20).state is JobState.DONE
    assert runner.get(second.id).state is JobState.CANCELLED


def test_a_job_that_ignores_cancel_is_ended_and_the_next_one_runs(runner):
    job = submit(runner, "stubborn")
    wait_until_running(runner, job.id)
    runner.cancel(job.id)
    assert runner.wait(job.id, 20).state is JobState.CANCELLED
    assert runner.wait(submit(runner, "count", total=1).id, 20).state is JobState.DONE


def test_a_killed_worker_gives_failed_with_its_reason_and_the_next_job_runs(runner, workspace):
    end = runner.wait(submit(runner, "die").id, 20)
    assert end.state is JobState.FAILED
    assert "the worker was killed (signal 9), probably out of memory" in end.error["message"]
    assert not workspace.output_folder(end.id).exists()
    assert runner.wait(submit(runner, "count", total=1).id, 20).state is JobState.DONE


def test_a_worker_killed_while_idle_is_replaced(runner):
    runner.wait(submit(runner, "count", total=1).id, 20)
    os.kill(runner._worker.pid, signal.SIGKILL)
    runner._worker._process.wait()
    assert runner.wait(submit(runner, "count", total=1).id, 20).state is JobState.DONE


def test_a_worker_that_leaves_without_a_word_gives_its_exit_code(runner):
    end = runner.wait(submit(runner, "leave").id, 20)
    assert end.state is JobState.FAILED and "exit code 3" in end.error["message"]


def test_a_job_whose_folder_cannot_be_made_fails_and_the_next_one_runs(runner, workspace):
    workspace.outputs.rmdir()
    workspace.outputs.touch()
    end = runner.wait(submit(runner, "count", total=1).id, 20)
    assert end.state is JobState.FAILED and "could not start" in end.error["message"]
    workspace.outputs.unlink()
    assert runner.wait(submit(runner, "count", total=1).id, 20).state is JobState.DONE


def test_a_problem_of_the_user_keeps_its_message_and_hint(runner):
    end = runner.wait(submit(runner, "refuse").id, 20)
    assert end.error == {
        "type": "SourceError",
        "message": "zoo:nist: there is no such expert.",
        "hint": "Did you mean 'mnist'?",
    }


def test_a_mistake_of_ours_names_the_job_and_not_the_users_recipe(runner, capfd):
    end = runner.wait(submit(runner, "break_down").id, 20)
    assert end.error["message"].startswith(f"Something broke on our side (job {end.id[:4]})")
    assert "Traceback" in capfd.readouterr().err


def test_the_worker_stays_warm_and_never_loads_the_web_interface(runner, tmp_path):
    (tmp_path / "go").touch()
    runner.warm_up()
    pid = runner._worker.pid
    end = runner.wait(submit(runner, "wait_for", until=str(tmp_path / "go")).id, 20)
    assert end.result == {"pid": pid}
    assert runner.wait(submit(runner, "modules").id, 20).result == {"loaded": []}


def test_closing_interrupts_what_runs_and_the_next_start_takes_on_what_waits(workspace, tmp_path):
    with contextlib.closing(JobRunner(workspace, kinds=KINDS)) as runner:
        running = submit(runner, "wait_for", until=str(tmp_path / "never"))
        wait_until_running(runner, running.id)
        waiting = submit(runner, "count", total=2)
    with contextlib.closing(JobRunner(workspace, kinds=KINDS)) as runner:
        assert runner.get(running.id).state is JobState.INTERRUPTED
        assert runner.wait(waiting.id, 20).state is JobState.DONE


def test_a_job_of_a_program_that_died_is_interrupted_at_the_next_start(workspace):
    with workspace.transaction() as db:
        db.execute(
            "INSERT INTO jobs (id, owner, kind, title, payload, state, runner, created, started) "
            "VALUES ('abcdefgh', 'ann', 'count', 't', '{}', 'RUNNING', 'gone', 1, 2)"
        )
    half = workspace.output_folder("abcdefgh")
    half.mkdir()
    with contextlib.closing(JobRunner(workspace, kinds=KINDS)) as runner:
        end = runner.get("abcdefgh")
    assert end.state is JobState.INTERRUPTED and end.error["hint"] == "Start it again."
    assert not half.exists()


def test_after_the_program_was_killed_its_worker_ends_and_its_job_is_interrupted(tmp_path):
    code = (
        "import os, signal, sys; from merger.jobs import JobRunner\n"
        "from merger.workspace import Workspace; from tests.unit.jobs.work import KINDS\n"
        "runner = JobRunner(Workspace(sys.argv[1]), kinds=KINDS)\n"
        "job = runner.submit('stubborn', {}, owner='ann', title='t')\n"
        "with runner._changed:\n"
        "    runner._changed.wait_for(lambda: runner.get(job.id).done > 0, 20)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    # The worker holds the pipe for as long as it lives, so reading it waits for its end.
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE, timeout=30
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    with (
        contextlib.closing(Workspace(tmp_path)) as workspace,
        contextlib.closing(JobRunner(workspace, kinds=KINDS)) as runner,
    ):
        (job,) = runner.list("ann")
        assert job.state is JobState.INTERRUPTED
        assert not workspace.output_folder(job.id).exists()


def test_a_second_program_on_the_workspace_leaves_running_jobs_alone(runner, workspace, tmp_path):
    job = submit(runner, "wait_for", until=str(tmp_path / "go"))
    wait_until_running(runner, job.id)
    with contextlib.closing(Workspace(workspace.folder)) as same:
        with contextlib.closing(JobRunner(same, kinds=KINDS)) as other:
            assert other.get(job.id).state is JobState.RUNNING
            other.cancel(job.id)
        assert runner.wait(job.id, 20).state is JobState.CANCELLED


def test_a_visitor_sees_and_stops_only_their_own_jobs(runner, tmp_path):
    job = submit(runner, "wait_for", owner="ann", until=str(tmp_path / "go"))
    assert [j.id for j in runner.list("ann")] == [job.id] and runner.list("bob") == []
    for foreign in (runner.get, runner.cancel, runner.delete):
        with pytest.raises(JobError, match="no such job"):
            foreign(job.id, "bob")
    with pytest.raises(JobError, match="no such job"):
        runner.get("nonsense")
    (tmp_path / "go").touch()
    assert runner.wait(job.id, 20).state is JobState.DONE


def test_an_owner_may_not_fill_the_queue_or_the_disk(workspace, tmp_path):
    limits = Limits(waiting=1, disk_bytes=10)
    with contextlib.closing(JobRunner(workspace, kinds=KINDS, limits=limits)) as runner:
        first = submit(runner, "wait_for", until=str(tmp_path / "go"))
        wait_until_running(runner, first.id)
        second = submit(runner, "count", total=10)
        with pytest.raises(JobError, match="at most 1, and have 1"):
            submit(runner, "count", total=1)
        other = submit(runner, "count", owner="bob", total=1)
        (tmp_path / "go").touch()
        for job in (other, second):
            runner.wait(job.id, 20)
        with pytest.raises(JobError, match="may take 10 bytes, and take 14 already"):
            submit(runner, "count", total=1)
        runner.delete(runner.list("ann")[0].id, "ann")
        assert runner.wait(submit(runner, "count", total=1).id, 20).state is JobState.DONE


def test_a_job_without_an_owner_is_a_mistake_of_ours(runner):
    with pytest.raises(ValueError, match="needs an owner"):
        submit(runner, "count", owner="", total=1)


def test_old_outputs_make_room_after_each_job(workspace):
    limits = Limits(total_bytes=15)
    with contextlib.closing(JobRunner(workspace, kinds=KINDS, limits=limits)) as runner:
        first = runner.wait(submit(runner, "count", total=10).id, 20)
        second = runner.wait(submit(runner, "count", total=10).id, 20)
        runner.wait(submit(runner, "refuse").id, 20)
        assert runner.get(first.id).result["path"] is None
        assert runner.get(second.id).result["path"] is not None


def test_an_unknown_kind_names_the_near_miss(runner):
    with pytest.raises(JobError, match="Did you mean 'count'"):
        submit(runner, "coutn")


def test_a_payload_beyond_the_limit_is_refused(runner):
    with pytest.raises(JobError, match="1,048,576 characters"):
        submit(runner, "count", text="x" * 2**20)


def test_titles_are_text_and_never_paths(runner, workspace):
    title = "../../<script>alert(1)</script>\n${x}"
    end = runner.wait(submit(runner, "count", title=title, total=1).id, 20)
    assert end.title == "../../<script>alert(1)</script> ${x}"
    assert [p.name for p in workspace.outputs.iterdir()] == [f"job-{end.id}"]


async def _collect(runner, job_id, until=None):
    seen = []
    async for job in runner.follow(job_id, "ann"):
        seen.append(job)
        if until is not None and job.done >= until:
            break
    return seen


def test_following_can_be_left_and_taken_up_again_by_many(runner, tmp_path):
    async def story():
        job = submit(runner, "wait_for", until=str(tmp_path / "go"))
        before_reload = await _collect(runner, job.id, until=3)
        assert before_reload[-1].state is JobState.RUNNING
        (tmp_path / "go").touch()
        both = await asyncio.gather(_collect(runner, job.id), _collect(runner, job.id))
        return [seen[-1].state for seen in both]

    assert asyncio.run(story()) == [JobState.DONE, JobState.DONE]


def test_following_a_finished_job_gives_one_snapshot_and_ends(runner):
    job = runner.wait(submit(runner, "count", total=2000).id, 20)
    assert [j.state for j in asyncio.run(_collect(runner, job.id))] == [JobState.DONE]


def test_following_gives_at_most_ten_snapshots_a_second(runner):
    async def story():
        started = time.monotonic()
        seen = await _collect(runner, submit(runner, "count", total=20_000).id)
        return len(seen), time.monotonic() - started

    number, seconds = asyncio.run(story())
    assert number <= 10 * seconds + 2


def test_many_threads_may_submit_at_once(workspace):
    limits = Limits(waiting=None)
    with contextlib.closing(JobRunner(workspace, kinds=KINDS, limits=limits)) as runner:
        threads = [
            threading.Thread(target=submit, args=(runner, "count"), kwargs={"total": 1})
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        jobs = runner.list("ann")
        assert len({job.id for job in jobs}) == 8
        assert all(runner.wait(job.id, 20).state is JobState.DONE for job in jobs)


def test_rate_counts_the_current_phase_only():
    job = Job("x", "t", JobState.RUNNING, 50, 200, "bytes", "", 30.0, None, None, phase_seconds=5)
    assert rate(job).per_second == 10.0 and rate(job).seconds_left == 15.0


def test_rate_is_unknown_before_the_first_unit_and_after_the_end():
    before = Job("x", "t", JobState.RUNNING, 0, 200, "bytes", "", 1.0, None, None, phase_seconds=1)
    after = Job("x", "t", JobState.DONE, 200, 200, "bytes", "", 1.0, None, None, phase_seconds=1)
    assert rate(before).per_second is None and rate(after).seconds_left is None


def test_owners_take_turns_and_see_how_many_come_before_them(runner, tmp_path):
    first = submit(runner, "wait_for", until=str(tmp_path / "go"))
    wait_until_running(runner, first.id)
    own = [submit(runner, "count", total=1) for _ in range(3)]
    other = runner.submit("count", {"total": 1}, owner="bob", title="bob's")
    assert runner.get(other.id).note == "1 job is ahead"
    assert [job.note for job in runner.list("ann")[:3]] == [
        "4 jobs are ahead",
        "3 jobs are ahead",
        "2 jobs are ahead",
    ]
    (tmp_path / "go").touch()
    runner.wait(own[-1].id, 20)
    ends = {job.id: job for job in [*runner.list("ann"), *runner.list("bob")]}
    starts = runner._workspace.rows("SELECT id FROM jobs ORDER BY started")
    assert [row["id"] for row in starts] == [first.id, other.id, *(job.id for job in own)]
    assert all(job.state is JobState.DONE for job in ends.values())
