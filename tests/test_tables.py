"""Tables say what the records say."""

from dataclasses import replace

import pytest

from bnnstudy import studies
from bnnstudy.config.run import RunConfig
from bnnstudy.evidence.claims import Claim, Difference, Equivalence, Exact, Speed, Trend
from bnnstudy.evidence.verdicts import Verdict
from bnnstudy.report import tables

CLAIM = Claim(
    id="toy",
    paper="A",
    source="Table 0",
    text="a beats b.",
    paper_value="1 | 2",
    contrast=Difference(metric="m", arm="a", control="b"),
)
DONE = Verdict(
    claim=CLAIM, verdict="reproduced", preset="desk", n=5, effect=1.234, low=0.5, high=2.0, p=0.001
)
TREND = (("a", 1), ("b", 2), ("c", 3))
OPEN = Verdict(claim=CLAIM, verdict="not run")


def cells(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if not line.startswith("| ---")]
    return [[c.strip() for c in line.strip("|").replace("\\|", "¦").split("|")] for line in lines]


def test_a_table_has_as_many_cells_in_every_row_whatever_they_hold():
    rows = cells(tables.table(("a", "b"), [("1 | 2", 3), ("", "x")]))
    assert [len(row) for row in rows] == [2, 2, 2]


def test_a_head_in_words_says_how_the_numbers_of_a_column_are_written():
    found = tables.table("Arm | Loss {:.2f} | Steps {:,}", [("a", 0.125, 1000), ("b", None, "all")])
    assert cells(found)[:1] + cells(found)[2:] == cells(
        tables.table(("Arm", "Loss", "Steps"), [("b", "–", "all")])
    )
    assert cells(found)[1] == ["a", "0.12", "1,000"]


def test_a_share_that_fades_is_said_to_be_under_the_least_that_counts():
    assert [tables.percent(share) for share in (1, 0.1234, 0.001)] == ["100 %", "12 %", "0.1 %"]
    assert tables.percent(0.00099) == "under 0.1 %"
    assert tables.percent(0.0, least=1e-4) == "under 0.01 %"


def test_a_span_goes_from_the_least_to_the_most_and_says_one_number_once():
    assert tables.span([3, 1, 2]) == "1 to 3"
    assert tables.span([0.123, 0.124], "{:.2f}") == tables.span([0.12]) == "0.12"


def other(verdict, id="other"):
    return replace(verdict, claim=replace(CLAIM, id=id))


def test_a_tally_in_a_sentence_counts_claims():
    assert tables.tally_sentence([DONE, other(OPEN)]) == "Of 2 claims 1 were run: 1 holds."
    mixed = [DONE, replace(DONE, task="cifar10 cnn", verdict="not reproduced"), other(OPEN)]
    assert tables.tally_sentence(mixed) == "Of 2 claims 1 were run: 1 mixed."
    assert "none yet" in tables.tally_sentence([OPEN])
    small = replace(other(DONE, "small"), preset="quick")
    told = "1 more ran at the smallest preset alone, which decides nothing."
    assert tables.tally_sentence([DONE, small]) == f"Of 2 claims 1 were run: 1 holds. {told}"


PLAIN = Difference(metric="x", arm="a", control="b", margin=0.1)


@pytest.mark.parametrize(
    ("contrast", "words"),
    [
        (PLAIN, "`a` − `b`: above 0.1"),
        (replace(PLAIN, direction=-1), "`a` − `b`: below -0.1"),
        (replace(PLAIN, margin=-0.5), "`a` − `b`: above -0.5"),
        (replace(PLAIN, direction=-1, margin=0.0), "`a` − `b`: below 0"),
        (Equivalence(metric="x", arm="a", control="b", margin=0.1), "`a` − `b`: within ±0.1"),
        (Exact(arm="a"), "`a`: none"),
        (replace(PLAIN, control=None), "`a`: above 0.1"),
        (
            replace(PLAIN, arm=("a", "c"), control=("b", "c")),
            "(`a` − `c`) − (`b` − `c`): above 0.1",
        ),
        (
            Trend(metric="x", arms=(("a", 1), ("b", 2), ("c", 3)), margin=0.1),
            "slope over `a`, `b`, `c`: above 0.1",
        ),
        (Speed(arm="a", control="b", direction=-1, margin=0.5), "`a` − `b`: below -0.5"),
    ],
)
def test_a_contrast_says_what_it_compares_and_where_that_has_to_lie(contrast, words):
    claim = replace(CLAIM, contrast=contrast)
    assert claim.contrast.declared() == words


def test_differences_name_the_changed_fields_and_what_is_tuned():
    study = studies.STUDIES["optimizers"]
    arms = {arm.name: arm for arm in study.arms["desk"] if arm.config.model == "mlp"}
    baseline = arms["1W/32A adam"].config
    rows = dict(cells(tables.differences(arms.values(), baseline))[1:])
    assert rows["1W/32A adam"].startswith("`lr` = tuned from")
    assert "`activation` = sign" in rows["1W/1A adam"]
    assert len(rows) == len(arms)


def test_differences_say_what_changes_the_second_time_where_an_arm_trains_twice():
    study = studies.STUDIES["equivalence"]
    arms = {arm.name: arm for arm in study.arms["quick"]}
    rows = dict(cells(tables.differences(arms.values(), arms["rate x 10"].config))[1:])
    assert rows["rate x 10"] == "baseline; a second time with `lr` = 10.0, `weight_decay` = 0.001"
    assert rows["two seeds"] == "baseline; a second time with `seed` + 500"


def test_searches_stand_with_their_ranges_and_their_trials_at_each_preset():
    rows = {row[0]: row[1:] for row in cells(tables.searches(studies.STUDIES["search"]))[1:]}
    assert rows["filter"] == [
        "2", "`alpha` 1e-06 to 1, `gamma` 0.01 to 1", "Gaussian process",
        "10 at quick, 25 at desk, 25 at paper",
    ]  # fmt: skip
    assert rows["latent, random"][2] == "random"
    assert "`scaling` None or mean_forward" in rows["latent, narrow"][1]
    assert rows["latent, narrow"][3] == "25 at desk, 25 at paper"
    assert not cells(tables.searches(studies.STUDIES["recipe"]))[1:]


def test_settings_name_every_field_but_the_seed():
    names = {row[0].strip("`") for row in cells(tables.settings(RunConfig()))[1:]}
    assert names == set(RunConfig.__dataclass_fields__) - {"seed"}


def test_desk_provenance_is_complete():
    found = [r for s in studies.STUDIES.values() for r in studies.recorded(s) if r["preset"] == "desk"]
    rows = cells(tables.provenance(found))[1:]
    assert sum(int(row[3]) for row in rows) == len(found)
    assert all(
        "none" not in row[-1] and set(row[2].split(", ")) <= {"mnist", "cifar10", "fsdd"}
        for row in rows
    )
    assert "mnist" in tables.caption(found)
    assert tables.caption([]) == "nothing recorded"


def test_accuracies_stand_at_the_best_and_at_the_last_epoch():
    runs = [
        {"arm": "a", "preset": "quick", "config": {"seed": seed},
         "result": {"test_accuracy": best, "last": {"test_accuracy": best - 0.1}}}
        for seed, best in enumerate((0.8, 0.9))
    ]  # fmt: skip
    (row,) = cells(tables.accuracies(runs))[1:]
    assert row == ["quick, digits mlp", "a", "85.00 ± 7.07", "75.00 ± 7.07", "2"]
    assert cells(tables.accuracies(runs[:1]))[1][2:] == ["80.00", "70.00", "1"]


@pytest.mark.parametrize(
    ("value", "text"), [(74_499.0, "74,000"), (0.2634, "0.26"), (5.0, "5"), (0.000014, "1.4e-05")]
)
def test_numbers_are_written_out(value, text):
    assert tables.rounded(value) == text


def test_what_a_record_says_of_itself_is_text_and_nothing_else():
    device = "<img src=x onerror=alert(1)> [a](javascript:b) *c* `d`"
    said = tables.plain(device)
    assert "<" not in said
    assert said.startswith("&lt;img src=x onerror=alert(1)&gt; ")
    for sign in "[]*`":
        assert f"\\{sign}" in said
        assert said.count(sign) == said.count(f"\\{sign}")
    assert tables.plain("cpu (AMD EPYC)") == "cpu (AMD EPYC)"


def test_each_claim_of_a_chapter_stands_with_its_id_and_a_way_to_its_evidence():
    study = studies.STUDIES["clipping"]
    found, note = tables.verdicts(study, studies.curves(study)).split("\n\n")
    assert "n of 5 or less" in note
    rows = cells(found)[1:]
    for claim, row in zip(study.claims, rows, strict=True):
        assert row[0].endswith(f'<a href="scoreboard.html#{claim.id}"><code>{claim.id}</code></a>')
