"""# Campaign results, every day

What each campaign sent and what came of it, a folder a day: messages sent, e-mail, in-app and push engagement, one CSV
file each. Days are days in Seoul.

**Who reads it**: the CRM team's dashboards load the files each morning.

**When it is late**: nothing breaks; the dashboards end a day earlier.

**When it fails**: read the log of the red task, its last lines say what to do. Running a day again is always safe. Each
run also computes the two weeks before anew, because events arrive late: a day whose figures changed gets a new
generation, the others are left as they are.
"""

from include.exports import (
    CampaignResults,
    CampaignResultsExport,
    CsvFiles,
    Daily,
    EventLake,
    LocalDestination,
    airflow_dag,
)

airflow_dag(
    CampaignResultsExport(
        name="campaign_results_daily",
        owner="crm",
        description="Results of all campaigns by date, a folder a day",
        tags=("sample",),
        source=CampaignResults(events=EventLake(path="lake/currents")),
        mode="incremental",
        schedule=Daily(timezone="Asia/Seoul", start="2019-11-24", end="2019-12-01"),
        files=CsvFiles(compression="none", formula_guard=True),
        destination=LocalDestination(path="exports", prefix="crm"),
    ),
    doc=__doc__,
)
