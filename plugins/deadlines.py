"""Makes known to Airflow from when on a run of an export can be late: it counts only from what it was told of."""

from airflow.plugins_manager import AirflowPlugin

from include.exports.overdue import FirstQueuedAt


class ExportDeadlines(AirflowPlugin):
    """What the deadlines of exports count from."""

    name = "export_deadlines"
    deadline_references = [FirstQueuedAt]
