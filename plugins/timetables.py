"""Makes the timetables of exports known to Airflow, which only reads the schedules it was told of."""

from airflow.plugins_manager import AirflowPlugin

from include.exports.timetable import RepeatedTimetable, SingleTimetable


class ExportTimetables(AirflowPlugin):
    """The timetables of exports."""

    name = "export_timetables"
    timetables = [RepeatedTimetable, SingleTimetable]
