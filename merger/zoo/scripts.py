"""The 340 characters that the base model learns: scripts that no task uses."""

from __future__ import annotations


def _span(first: str, count: int) -> str:
    return "".join(chr(ord(first) + i) for i in range(count))


LATIN_CAPITALS = _span("A", 26)
GEORGIAN = _span("ა", 33)
ARMENIAN = _span("Ա", 38)
KATAKANA = (
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン"
)
DIGITS = "0123456789!?&@#%$*+=<>/;"
BENGALI = "অআইঈউঊঋএঐওঔকখগঘঙচছজঝঞটঠডঢণতথদধনপফবভমযরলশষসহ"
HANGUL = "가나다라마바사아자차카타파하개너도루모부소우조추코투포후"
ETHIOPIC = "ሀለሐመሠረሰቀበተኀነአከወዐዘየደገጠጰጸፀፈፐ"
HAN = (
    "一人大小中上下日月火水木金土山川田口目手足力車門雨"
    "花草犬魚鳥馬食見行言語文字学校先生年時国東西南北"
)
LAO = "ກຂຄງຈຊຍດຕຖທນບປຜຝພຟມຢຣລວສຫອຮ"
SCRIPTS = (
    *(LATIN_CAPITALS, GEORGIAN, ARMENIAN, KATAKANA, DIGITS),
    *(BENGALI, HANGUL, ETHIOPIC, HAN, LAO),
)
CLASSES: tuple[str, ...] = tuple(dict.fromkeys("".join(SCRIPTS)))
