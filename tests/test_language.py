"""Languages told apart, and silence where nothing can be said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgdistill.text.language import identify

TEXTS = {
    "en": "The river rises in the northern hills and flows through three old towns before it reaches the sea. "
    "Fishing boats have left its harbour every morning for more than four hundred years.",
    "de": "Der Fluss entspringt in den nördlichen Hügeln und fließt durch drei alte Städte, bis er das Meer erreicht.",
    "fr": "La rivière prend sa source dans les collines du nord et traverse trois vieilles villes avant la mer.",
    "es": "El río nace en las colinas del norte y atraviesa tres ciudades antiguas antes de llegar al mar.",
    "it": "Il fiume nasce nelle colline del nord e attraversa tre antiche città prima di raggiungere il mare.",
    "vi": "Con sông bắt nguồn từ những ngọn đồi phía bắc và chảy qua ba thành phố cổ trước khi ra đến biển.",
    "ru": "Река берёт начало в северных холмах и протекает через три старых города, прежде чем достичь моря.",
    "ar": "ينبع النهر من التلال الشمالية ويمر عبر ثلاث مدن قديمة قبل أن يصل إلى البحر.",
    "hi": "यह नदी उत्तरी पहाड़ियों से निकलती है और समुद्र तक पहुँचने से पहले तीन पुराने नगरों से होकर बहती है।",
    "zh": "这条河发源于北部的山丘，流经三座古老的城镇，最后注入大海。",
    "ja": "この川は北の丘に源を発し、三つの古い町を流れて海に注ぐ。",
    "nb": "Elven har sitt utspring i åsene i nord og renner gjennom tre gamle byer før den når havet.",
}


@pytest.mark.parametrize("language", TEXTS)
def test_languages(language: str) -> None:
    assert identify(TEXTS[language]) == language
    assert identify(TEXTS[language] * 200) == language


NOTHING = ["", "   \n", "Berlin", "12 345 678 901 234 567 890 " * 20, "🙂" * 50, "https://a.de/" + "x" * 99]


@pytest.mark.parametrize("text", NOTHING)
def test_nothing_to_go_by(text: str) -> None:
    assert identify(text) == ""


@given(st.text(st.characters()))
@settings(deadline=None, max_examples=40)
def test_any_text_gives_a_code_or_nothing(text: str) -> None:
    assert identify(text) == "" or (len(identify(text)) == 2 and identify(text).islower())
