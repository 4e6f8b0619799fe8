"""# Staging is cleaned, every day

Removes what exports have staged and nobody has needed for a week: records as they were read, files as they were
delivered. A window can be delivered again without asking its source (`resend`) as long as its staging is there.

Set the Airflow Variable `exports_staging_days` to keep it longer or shorter.

**When it fails**: nothing that was delivered is touched. Staging grows until the next run.
"""

from include.exports import maintenance_dag

maintenance_dag(doc=__doc__)
