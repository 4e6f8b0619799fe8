"""# Staging and destinations are cleaned and ends are announced, every day

Removes what exports have staged and nobody has needed for a week: records as they were read, files as they were
delivered. A window can be delivered again without asking its source (`resend`) as long as its staging is there.

Removes at the destinations what runs have delivered that ended before they published, also a week later: files that no
manifest names, and only those that these runs have noted in staging. How much was removed is in the log and in XCom.

Whoever has an alert on `ending` is told 30, 7 and 1 days before the schedule of an export ends.

Set the Airflow Variable `exports_staging_days` to keep it longer, or shorter but not less than a day.

**When it fails**: nothing that was delivered is touched. Staging grows until the next run.
"""

from include.exports import maintenance_dag

maintenance_dag(doc=__doc__)
