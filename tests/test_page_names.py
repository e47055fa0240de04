"""The page's search among names: how they are compared, and in which order they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kgdistill.serve.names import Names, fold


def test_names_fold_case_and_accents_of_any_script() -> None:
    assert fold("  BÉLA  Bartók ") == "bela bartok"
    names = Names(lambda: [("entity/a", "Ελλάδα", True), ("entity/a", "Greece", False), ("entity/b", "東京", True)])
    assert [one.id for one in names.search("ελλαδα")] == ["entity/a"]
    assert [(one.name, one.label) for one in names.search("greece")] == [("Ελλάδα", "Greece")]
    assert [one.id for one in names.search("京")] == ["entity/b"]


@given(st.lists(st.text("ab c", min_size=1, max_size=8), max_size=30), st.text("abc ", min_size=1, max_size=4))
def test_names_that_hold_the_text_come_in_the_order_of_how_they_fit(labels: list[str], text: str) -> None:
    names = Names(lambda: [(f"entity/{place}", label, True) for place, label in enumerate(labels)])
    found = [one for one in names.search(text, 100) if one.rank < 4]
    wanted = fold(text)
    holding = [label for label in map(fold, labels) if wanted and wanted in label]
    assert sorted(fold(one.label) for one in found) == sorted(holding)
    assert [one.rank for one in found] == sorted(one.rank for one in found)
    for one in found:
        name = fold(one.label)
        assert one.rank == (0 if name == wanted else 1 if name.startswith(wanted) else 2 if f" {wanted}" in name else 3)


def test_a_misspelt_family_name_is_found() -> None:
    names = Names(lambda: [("entity/a", "Wilhelmina Featherstonehaugh", True), ("entity/b", "Bo Ek", True)])
    assert [(one.id, one.rank) for one in names.search("fetherstonehaugh")] == [("entity/a", 4)]
    assert names.search("zzzzqqqq") == []
