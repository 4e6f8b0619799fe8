"""# Recipients of the welcome campaign

Whom the welcome campaign reached, a row a user, with the variant received last: an archive of CSV files of 5,000 users,
and a reconciliation that leads from the messages sent to the rows. Days are days in Seoul.

**Who reads it**: the CRM team, when they plan the next campaign.

**Who may run it**: `crm` and the role `marketing`; e-mail addresses and phone numbers are for `crm` and the role
`privacy`. Everybody else is refused, and who asked for what is on record in the audit area.

**When it fails**: read the log of the red task, its last lines say what to do. Running it again is always safe.

Nobody is mailed here, because this machine has no mail server: leave `link` out, and who triggers the run gets links
that end after four hours.
"""

from include.exports import (
    CampaignRecipients,
    EventLake,
    Grants,
    LakeSource,
    LocalDestination,
    Once,
    Permissions,
    Profiles,
    RecipientsExport,
    airflow_dag,
)

airflow_dag(
    RecipientsExport(
        name="campaign_recipients",
        owner="crm",
        description="Recipients of the welcome campaign, with a reconciliation",
        tags=("sample",),
        source=CampaignRecipients(
            events=EventLake(path="lake/currents"),
            campaign="22222222-welcome",
            profiles=Profiles(
                table=LakeSource(path="lake/profiles"),
                custom_attributes=("favourite_item",),
                custom_events=("clicked_item",),
            ),
        ),
        schedule=Once(at="2019-12-15", timezone="Asia/Seoul"),
        permissions=Permissions(
            export_user_data=Grants(users=("crm",), roles=("marketing",)),
            view_pii=Grants(users=("crm",), roles=("privacy",)),
        ),
        destination=LocalDestination(path="exports", prefix="crm"),
        link=None,
    ),
    doc=__doc__,
)
