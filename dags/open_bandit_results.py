"""# Results of an Open Bandit campaign

A campaign of a fashion shop with two variants: items chosen at random, and by Bernoulli Thompson Sampling. One folder
with a file a statistic, a variant a column, its historical performance graph as a PNG and as a page to open in a
browser, and the totals. Leave `campaigns` out for all three campaigns of the shop.

**Who reads it**: merchandising, to see whether the policy that learns is worth it.

**When it is late**: nothing breaks; last week's folder stays.

**When it fails**: read the log of the red task, its last lines say what to do. Running it again is always safe.
"""

from include.exports import (
    CampaignResults,
    CampaignResultsExport,
    CsvFiles,
    EventLake,
    LocalDestination,
    Weekly,
    airflow_dag,
)

airflow_dag(
    CampaignResultsExport(
        name="open_bandit_results",
        owner="crm",
        description="Variants of a real campaign side by side, with charts",
        tags=("sample",),
        source=CampaignResults(events=EventLake(path="lake/open_bandit_events"), campaigns=("open-bandit-men",)),
        mode="full",
        days=7,
        layout="by_statistic",
        charts=True,
        schedule=Weekly(on="sunday", start="2019-11-24", end="2019-12-01"),
        files=CsvFiles(compression="none", formula_guard=True),
        destination=LocalDestination(path="exports", prefix="crm"),
    ),
    doc=__doc__,
)
