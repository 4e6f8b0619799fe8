"""What becomes of a run when processes of Airflow die: nothing is lost, nothing is twice."""

import psutil
import pytest

from tests.rigs.operated import SUCCESS, delivered, hours, locked
from tests.rigs.running import Airflow


def kill_the_task(_: Airflow, task: psutil.Process) -> None:
    task.kill()


def kill_the_worker(_: Airflow, task: psutil.Process) -> None:
    task.parent().kill()
    task.kill()


def kill_the_scheduler(running: Airflow, _: psutil.Process) -> None:
    running.kill("airflow scheduler")


def kill_everything(running: Airflow, _: psutil.Process) -> None:
    running.kill("airflow")


KILLS = [kill_the_task, kill_the_worker, kill_the_scheduler, kill_everything]


@pytest.mark.parametrize("kill", KILLS)
def test_a_run_whose_processes_are_killed_is_taken_up_again(running, root, postgres, database, kill):
    day = 10 + KILLS.index(kill)
    window = {"window_start": f"2024-05-{day}T00:00:00Z", "window_end": f"2024-05-{day + 1}T00:00:00Z"}
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    running.unpause("survivor")
    running.ended("survivor", "scheduled", count=1)
    with locked(postgres, database):
        run = running.trigger("survivor", **window)
        running.until(lambda: postgres.run(waits) == [(1,)], 60)
        kill(running, running.connected_to(postgres.port))
        postgres.run("select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'")
    running.start()
    ended = {one["dag_run_id"]: one["state"] for one in running.ended("survivor", "manual", count=1, patience=120)}
    assert ended[run] == SUCCESS, running.tasks("survivor", run)
    folder = f"202405{day + 1}0000"
    assert delivered(root, "survivor")[folder] == hours(f"2024-05-{day}T00:00+00:00", f"2024-05-{day + 1}T00:00+00:00")
