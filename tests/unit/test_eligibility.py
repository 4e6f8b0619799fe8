"""What a run is refused for before anything is read, and what becomes of the run when it is known later."""

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from include.exports import (
    Columns,
    Conditions,
    HashMask,
    HivePartition,
    LakeSource,
    LocalDestination,
    Policy,
    RedactMask,
    TimeColumn,
    Usual,
)
from include.exports.errors import DefinitionError, DeliveryRefused, NotEligible, NothingToExport
from tests.rigs.runs import DAY


def later(days: int) -> datetime:
    return DAY + timedelta(days=days)


def mails(rows: int) -> dict[str, pa.Array]:
    return {"email": pa.array([f"{n}@example.org" for n in range(rows)])}


def third_party(root: Path) -> LocalDestination:
    return LocalDestination(path=str(root / "delivered"), marketing_actions=("exportToThirdParty",))


# Schema


def test_without_a_delivery_before_no_column_differs(rig):
    rig.lake(10)
    rig.declare(conditions=Conditions(schema_policy="freeze"))
    assert rig.run()["rows"] == 10


def test_new_columns_are_delivered_and_named_in_the_log_unless_declared_otherwise(rig, caplog):
    rig.lake(10)
    rig.run()
    rig.lake(10, **mails(10))
    with caplog.at_level(logging.WARNING):
        rig.run()
    assert "'email' is new, varchar" in caplog.text
    assert [element["name"] for element in rig.manifest()["schema"]["elements"]] == ["id", "at", "name", "email"]


def test_frozen_columns_refuse_the_run_with_the_difference(rig):
    rig.lake(10, gone=pa.array([1] * 10), kind=pa.array([1] * 10))
    rig.declare(conditions=Conditions(schema_policy="freeze"))
    rig.run()
    before = rig.delivered()
    rig.lake(10, kind=pa.array(["1"] * 10), **mails(10))
    with pytest.raises(NotEligible) as refused:
        rig.run(later(1))
    assert (
        "schema_policy is 'freeze': 'gone' is gone, it was bigint, 'kind' is varchar, it was bigint, 'email' is new,"
        " varchar; correct the source" in str(refused.value)
    )
    assert rig.delivered() == before


def test_new_columns_are_left_out_now_and_later_when_they_are_to_be_discarded(rig, caplog):
    rig.lake(10)
    rig.declare(conditions=Conditions(schema_policy="discard"))
    rig.run()
    rig.lake(10, **mails(10))
    with caplog.at_level(logging.WARNING):
        assert rig.run()["changed"] is False
        assert rig.run()["changed"] is False
    assert caplog.text.count("left out, since they are new and schema_policy is 'discard': email") == 2


def test_a_column_that_is_gone_cannot_be_discarded(rig):
    rig.lake(10, **mails(10))
    rig.declare(conditions=Conditions(schema_policy="discard"))
    rig.run()
    rig.lake(10)
    with pytest.raises(NotEligible, match="'email' is gone, it was varchar"):
        rig.run()


@pytest.mark.parametrize("policy", ["freeze", "discard"])
def test_columns_that_change_places_refuse_the_run(rig, policy):
    one, two = pa.array([1] * 10), pa.array([2] * 10)
    rig.lake(10, one=one, two=two)
    rig.declare(conditions=Conditions(schema_policy=policy))
    rig.run()
    rig.lake(10, two=two, one=one)
    with pytest.raises(NotEligible, match="the order is 'id', 'at', 'name', 'two', 'one', it was 'id', 'at',"):
        rig.run()


def test_a_new_column_between_the_others_changes_no_places(rig):
    rig.lake(10, last=pa.array([1] * 10))
    rig.declare(conditions=Conditions(schema_policy="discard"))
    rig.run()
    rig.lake(10, **mails(10), last=pa.array([1] * 10))
    assert rig.run()["changed"] is False


def test_what_was_delivered_elsewhere_says_nothing_of_this_destination(rig):
    rig.lake(10, **mails(10))
    rig.declare(conditions=Conditions(schema_policy="freeze"))
    rig.run()
    rig.lake(10)
    rig.declare(destination=LocalDestination(path=str(rig.root / "elsewhere")))
    assert rig.run()["rows"] == 10


# Freshness


def test_a_source_whose_newest_record_is_too_old_refuses_the_run(rig):
    rig.lake(10)
    rig.declare(conditions=Conditions(fresh_within=timedelta(hours=23)))
    with pytest.raises(NotEligible) as refused:
        rig.run()
    assert (
        "conditions.fresh_within: the newest record is of 2019-11-25T00:00:09+00:00, and it should not be older than"
        " 2019-11-25T01:00:00+00:00, 23:00:00 before 2019-11-26T00:00:00+00:00; see why" in str(refused.value)
    )
    rig.declare(conditions=Conditions(fresh_within=timedelta(hours=24)))
    assert rig.run()["rows"] == 10


def test_records_after_the_window_show_that_the_source_goes_on(rig):
    rig.lake(2 * 86_400)
    rig.declare(conditions=Conditions(fresh_within=timedelta(seconds=1)))
    assert rig.run()["rows"] == 86_400


def test_a_source_without_a_time_column_is_as_new_as_its_newest_file(rig):
    rig.lake(10)
    for name in ("a", "b"):
        os.utime(rig.root / f"lake/{name}.parquet", times=(DAY.timestamp(),) * 2)
    rig.declare(
        mode="full",
        source=LakeSource(path=str(rig.root / "lake")),
        conditions=Conditions(fresh_within=timedelta(hours=1)),
    )
    with pytest.raises(NotEligible, match=r"the newest record is of 2019-11-25T00:00:00\+00:00"):
        rig.run()
    os.utime(rig.root / "lake/b.parquet", times=(later(1).timestamp(),) * 2)
    assert rig.run()["rows"] == 10


# Volume


def test_more_rows_than_declared_refuse_the_run_before_reading_where_they_are_known(rig):
    rig.lake(10)
    rig.declare(mode="full", source=LakeSource(path=str(rig.root / "lake")), conditions=Conditions(max_rows=9))
    with pytest.raises(NotEligible, match=r"conditions.max_rows: 10 rows, more than 9; narrow the window"):
        rig.stages().validate_eligibility()


def test_more_rows_than_declared_are_never_published(rig):
    rig.lake(10)
    rig.declare(conditions=Conditions(max_rows=9))
    run = rig.deliver()
    with pytest.raises(NotEligible, match=r"nothing is published: conditions.max_rows: 10 rows, more than 9"):
        run.publish_manifest()
    assert [path for path in rig.delivered() if path.endswith("_manifest.json")] == []


def test_more_bytes_than_declared_refuse_the_run(rig):
    rig.lake(10)
    rig.declare(conditions=Conditions(max_bytes=100))
    with pytest.raises(NotEligible, match=r"conditions.max_bytes: [\d,]+ bytes are to be read, more than 100"):
        rig.run()


def test_a_number_of_rows_out_of_the_ordinary_is_never_published(rig):
    rig.declare(conditions=Conditions(usual=Usual(factor=2, windows=3)))
    rig.lake(86_400 * 3 + 40_000)
    assert [rig.run(later(day))["rows"] for day in range(3)] == [86_400] * 3
    with pytest.raises(NotEligible) as refused:
        rig.run(later(3))
    assert (
        "conditions.usual: 40,000 rows, and the median of the last 3 windows is 86,400: more than 2 times away"
        in str(refused.value)
    )
    rig.declare(conditions=Conditions(usual=Usual(factor=3, windows=3)))
    assert rig.run(later(3))["rows"] == 40_000


def test_two_windows_are_too_few_to_say_what_is_usual(rig):
    rig.declare(conditions=Conditions(usual=Usual()))
    rig.lake(86_400 * 2 + 1)
    assert [rig.run(later(day))["rows"] for day in range(3)] == [86_400, 86_400, 1]


# Governance


def test_a_label_that_forbids_what_is_done_at_the_destination_refuses_the_run_with_the_lineage(rig):
    rig.lake(10, **mails(10))
    rig.declare(destination=third_party(rig.root), columns=Columns(labels={"email": ("C2", "I1"), "id": ("C9",)}))
    with pytest.raises(NotEligible) as refused:
        rig.run()
    assert str(refused.value) == (
        "events cannot be exported:\n  policy 'no export to third parties (C2)': events.email (C2) →"
        f" file://{rig.root}/delivered, whose use is exportToThirdParty; leave the column out (columns.exclude), or"
        " replace its values by one text (columns.mask, RedactMask)"
    )


@pytest.mark.parametrize("remedy", [{"exclude": ("email",)}, {"mask": {"email": RedactMask()}}])
def test_a_column_that_is_left_out_or_redacted_breaks_no_policy(rig, remedy):
    rig.lake(10, **mails(10))
    rig.declare(destination=third_party(rig.root), columns=Columns(labels={"email": ("C2",)}, **remedy))
    assert rig.run()["rows"] == 10


def test_a_keyed_hash_no_longer_identifies_directly_and_keeps_the_other_labels(rig):
    rig.lake(10, **mails(10))
    direct, any_identity = (Policy(name=f"no {label}", labels=(label,)) for label in ("I1", "I2"))
    masked = {"mask": {"email": HashMask(conn_id="key")}}
    rig.declare(columns=Columns(labels={"email": ("I1",)}, **masked), policies=(direct,))
    assert rig.run()["rows"] == 10
    rig.declare(policies=(any_identity,))
    with pytest.raises(NotEligible, match=r"policy 'no I2': events.email \(I2\) → .*, whose use is any export"):
        rig.run()
    rig.declare(columns=Columns(labels={"email": ("C2",)}, **masked), policies=(), destination=third_party(rig.root))
    with pytest.raises(NotEligible, match=r"events.email \(C2\)"):
        rig.run()


def test_labels_of_different_columns_break_a_policy_together(rig):
    rig.lake(10, **mails(10))
    rig.declare(columns=Columns(labels={"email": ("I1",), "name": ("C1",)}))
    with pytest.raises(NotEligible, match=r"aggregates only \(C1\)': events.name \(C1\), events.email \(I1\) →"):
        rig.run()


def test_what_was_delivered_here_is_not_sent_again_to_where_a_label_forbids_it(rig):
    rig.lake(10, **mails(10))
    rig.declare(columns=Columns(labels={"email": ("C2",)}), elsewhere={"partner": third_party(rig.root)})
    rig.run()
    rig.export = rig.export.at("partner")
    before = rig.delivered()
    with pytest.raises(NotEligible, match=r"policy 'no export to third parties \(C2\)': events.email \(C2\) →"):
        rig.run(resend=True)
    assert rig.delivered() == before


def test_what_is_not_to_be_exported_at_all_needs_no_marketing_action(rig):
    rig.lake(10)
    rig.declare(columns=Columns(labels={"name": ("C12",)}))
    with pytest.raises(NotEligible, match=r"policy 'no export \(C12\)': events.name \(C12\)"):
        rig.run()


def test_a_label_or_action_that_nobody_has_defined_is_a_mistake(rig):
    with pytest.raises(DefinitionError) as wrong:
        rig.declare(
            columns=Columns(labels={"email": ("I3",)}),
            destination=LocalDestination(path="x", marketing_actions=("exportToThirdparty",)),
        )
    assert "columns.labels: 'I3' is no label of Adobe's or of `policies`, so nothing would be forbidden" in str(
        wrong.value
    )
    assert "destination.marketing_actions: 'exportToThirdparty' is no marketing action" in str(wrong.value)
    assert "did you mean 'exportToThirdParty'?" in str(wrong.value)
    own = Policy(name="no health data", labels=("HEALTH",), actions=("resale",))
    rig.declare(columns=Columns(labels={"email": ("HEALTH",)}), policies=(own,))


def test_a_labelled_column_that_is_misspelt_refuses_the_run(rig):
    rig.lake(10, **mails(10))
    rig.declare(columns=Columns(labels={"e_mail": ("I1",)}))
    with pytest.raises(NotEligible, match=r"columns.labels: the source has no column 'e_mail'; did you mean 'email'"):
        rig.run()


# The destination, staging and the window


def test_trying_the_destination_out_leaves_nothing_there(rig):
    rig.lake(10)
    rig.stages().validate_eligibility()
    assert rig.delivered() == {}


def test_a_destination_that_takes_nothing_refuses_the_run_before_anything_is_read(rig):
    rig.lake(10)
    (rig.root / "delivered").mkdir()
    (rig.root / "delivered/team").write_text("a file where the folder should be")
    rig.declare(destination=LocalDestination(path=str(rig.root / "delivered"), prefix="team"), folder="%EXPORT_TIME%")
    with pytest.raises(DeliveryRefused, match="delivered/team"):
        rig.stages().validate_eligibility()


def test_every_reason_is_told_at_once(rig):
    rig.lake(10)
    rig.declare(
        destination=LocalDestination(path=str(rig.root / "nothing/here")),
        filter=None,
        conditions=Conditions(fresh_within=timedelta(hours=1), max_bytes=1),
    )
    with pytest.raises(NotEligible) as refused:
        rig.run()
    first, *lines = str(refused.value).splitlines()
    assert first == "events cannot be exported:"
    assert [line.split()[0].rstrip(":") for line in lines] == [
        str(rig.root / "nothing/here"),
        "conditions.max_bytes",
        "conditions.fresh_within",
    ]


def test_a_window_that_has_not_ended_is_refused(rig):
    rig.lake(10)
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with pytest.raises(NotEligible, match=r"has not ended, it is .*; run it after"):
        rig.run(tomorrow)


def test_a_dry_run_says_what_would_be_done_and_leaves_nothing(rig, caplog):
    rig.lake(10)
    with (
        caplog.at_level(logging.INFO),
        pytest.raises(NothingToExport, match="eligible; a dry run ends here, nothing was read or delivered"),
    ):
        rig.stages().validate_eligibility(dry_run=True)
    assert "3 columns, 1 shard(s), 2 file(s) to read" in caplog.text
    assert rig.delivered() == {}


def test_a_dry_run_that_may_not_start_is_refused_like_any_other(rig):
    rig.lake(10)
    rig.declare(source=LakeSource(path="/nowhere", time_column=TimeColumn(name="at")))
    with pytest.raises(NotEligible, match="/nowhere does not exist"):
        rig.stages().validate_eligibility(dry_run=True)


def test_a_window_that_the_source_has_no_files_for_is_skipped_at_once_if_empty_ones_are_to_be(rig):
    rig.lake(10)
    (rig.root / "lake/day=2019-11-25").mkdir()
    for file in (rig.root / "lake").glob("*.parquet"):
        file.rename(rig.root / "lake/day=2019-11-25" / file.name)
    partition = HivePartition(column="day")
    rig.declare(source=rig.export.source.model_copy(update={"partition": partition}), on_empty="skip")
    with pytest.raises(NothingToExport, match="events: the source has no files for"):
        rig.stages(later(2)).validate_eligibility()
    assert rig.stages().validate_eligibility() == [0]


def test_another_destination_is_held_to_the_same_rules(rig):
    with pytest.raises(DefinitionError, match=r"elsewhere.partner.marketing_actions: 'emailtargeting' is no marketing"):
        rig.declare(elsewhere={"partner": LocalDestination(path="x", marketing_actions=("emailtargeting",))})
