"""What annotators ticked for pictures of Market-1501 and VIPeR, as attributes by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from passerby.data.raw import read_json
from passerby.errors import DatasetError
from passerby.words.attributes import close_colours, with_families

MARKET: Final = "attributes_market1501.json"
"""The 27 attributes of each person of Market-1501 (Lin et al., 2019), by picture."""
VIPER: Final = "attributes_viper_peta.json"
"""The words of PETA (Deng et al., 2014) for each picture of VIPeR."""

_MARKET_PARTS: Final = {"up": "upper", "down": "lower"}
_MARKET_HAS: Final = {
    ("age", 1): "body:child",
    ("age", 2): "body:young",
    ("age", 4): "body:old",
    ("gender", 1): "body:man",
    ("gender", 2): "body:woman",
    ("hair", 1): "hair:short",
    ("hair", 2): "hair:long",
    ("up", 1): "sleeves:long",
    ("up", 2): "sleeves:short",
    ("down", 2): "lower:short",
    ("hat", 2): "head:hat",
    ("backpack", 2): "carried:backpack",
    ("handbag", 2): "carried:bag",
    ("bag", 2): "carried:bag",
}
_MARKET_LACKS: Final = {
    ("age", 1): ("body:old",),
    ("age", 2): ("body:old",),
    ("age", 3): ("body:child", "body:old"),
    ("age", 4): ("body:child", "body:young"),
    ("gender", 1): ("body:woman",),
    ("gender", 2): ("body:man",),
    ("hair", 1): ("hair:long",),
    ("hair", 2): ("hair:short", "hair:bald"),
    ("up", 1): ("sleeves:short", "sleeves:none"),
    ("up", 2): ("sleeves:long",),
    ("down", 1): ("lower:short",),
    ("down", 2): ("lower:long",),
    ("clothes", 1): ("lower:pants", "lower:shorts"),
    ("clothes", 2): ("lower:skirt", "body:dress"),
    ("hat", 1): ("head:hat",),
    ("backpack", 1): ("carried:backpack",),
}

_VIPER_PARTS: Final = {"upperBody": "upper", "lowerBody": "lower", "footwear": "feet", "hair": "hair", "carrying": "carried"}
_VIPER_COLOURS: Final = ("Black", "White", "Grey", "Blue", "Red", "Green", "Brown", "Pink", "Purple", "Yellow", "Orange")
_VIPER_HAS: Final = {
    "accessoryFaceMask": ("head:mask",),
    "accessoryHairBand": ("head:headband",),
    "accessoryHat": ("head:hat",),
    "accessoryHeadphone": ("head:headphones",),
    "accessoryMuffler": ("head:scarf",),
    "accessorySunglasses": ("head:sunglasses",),
    "carryingBackpack": ("carried:backpack",),
    "carryingFolder": ("carried:folder",),
    "carryingMessengerBag": ("carried:shoulder bag",),
    "carryingPlasticBags": ("carried:bag",),
    "carryingSuitcase": ("carried:suitcase",),
    "footwearBoots": ("feet:boot",),
    "footwearLeatherShoes": ("feet:shoe",),
    "footwearSandals": ("feet:sandal",),
    "footwearShoes": ("feet:shoe",),
    "footwearSneakers": ("feet:sneaker",),
    "hairBald": ("hair:bald",),
    "hairLong": ("hair:long",),
    "hairShort": ("hair:short",),
    "lowerBodyCapri": ("lower:capris",),
    "lowerBodyHotPants": ("lower:shorts",),
    "lowerBodyJeans": ("lower:jeans",),
    "lowerBodyLongSkirt": ("lower:skirt", "lower:long"),
    "lowerBodyPlaid": ("lower:plaid",),
    "lowerBodyShortSkirt": ("lower:skirt", "lower:short"),
    "lowerBodyShorts": ("lower:shorts",),
    "lowerBodyTrousers": ("lower:pants",),
    "personalFemale": ("body:woman",),
    "personalLarger60": ("body:old",),
    "personalLess15": ("body:child",),
    "personalMale": ("body:man",),
    "upperBodyJacket": ("upper:jacket",),
    "upperBodyLogo": ("upper:logo",),
    "upperBodyLongSleeve": ("sleeves:long",),
    "upperBodyNoSleeve": ("sleeves:none",),
    "upperBodyPlaid": ("upper:plaid",),
    "upperBodyShortSleeve": ("sleeves:short",),
    "upperBodySuit": ("upper:suit",),
    "upperBodySweater": ("upper:sweater",),
    "upperBodyThickStripes": ("upper:striped",),
    "upperBodyThinStripes": ("upper:striped",),
    "upperBodyTshirt": ("upper:t-shirt",),
}
_VIPER_TOLD: Final = (
    *("accessoryFaceMask", "accessoryHat", "accessoryHeadphone", "accessorySunglasses", "carryingBackpack", "carryingSuitcase"),
    *("hairBald", "hairLong", "hairShort", "lowerBodyShorts", "lowerBodyShortSkirt", "personalFemale", "personalLarger60"),
    *("personalLess15", "personalMale", "upperBodyLongSleeve", "upperBodyNoSleeve", "upperBodyShortSleeve"),
)
"""Words whose absence says that somebody lacks what they name; captions say what others name too often where annotators did not."""
_NOTHING_CARRIED: Final = ("carried:bag", "carried:suitcase", "carried:umbrella", "carried:stroller", "carried:bicycle")


def read_annotations(dataset: Path) -> dict[str, dict[str, bool]]:
    """The attributes of pictures, by the picture's name without its ending; of Market-1501 and VIPeR, as far as a dataset has them.

    Args:
        dataset: its folder, in which annotators' files may lie, or its table, beside which they may.

    Raises:
        DatasetError: a file that does not hold them.
    """
    folder = dataset if dataset.is_dir() else dataset.parent
    found = dict(_pictures(folder / MARKET, dict, of_market)) if (folder / MARKET).exists() else {}
    return found | (dict(_pictures(folder / VIPER, list, of_viper)) if (folder / VIPER).exists() else {})


def of_market(ticked: Mapping[str, int]) -> dict[str, bool]:
    """The attributes that somebody of Market-1501 has, or has not, by what was ticked: 2 for yes, and 1 or 2 of two kinds.

    One colour a half of the body was ticked: no more is known of those that are close to it. What was ticked as a handbag is a bag that
    hangs from a hand, and what captions call a handbag was mostly ticked as a bag.
    """
    has = [_MARKET_HAS[key] for key in ticked.items() if key in _MARKET_HAS]
    lacks = [name for key in ticked.items() for name in _MARKET_LACKS.get(key, ())]
    for key, value in ticked.items():
        part = next((part for part in _MARKET_PARTS if key.startswith(part) and key != part), None)
        if part:
            colour = f"{_MARKET_PARTS[part]}:{key.removeprefix(part).replace('gray', 'grey')}"
            (has if value == 2 else lacks).append(colour)
    if ticked.get("clothes") == 2:
        (has if ticked.get("down") == 2 else lacks).append("lower:shorts")
        has += ["lower:pants"] if ticked.get("down") == 1 else []
    if ticked.get("bag") == ticked.get("handbag") == 1:
        lacks += ["carried:handbag", "carried:shoulder bag", *(["carried:bag"] if ticked.get("backpack") == 1 else [])]
    return _told_apart(has, lacks)


def of_viper(words: Collection[str]) -> dict[str, bool]:
    """The attributes that somebody of VIPeR has, or has not, by the words that PETA has for the picture.

    Some words that are not there say that somebody lacks what they name, and colours that are not there beside others of the part do.
    """
    has = [name for word in words for name in (*_VIPER_HAS.get(word, ()), *_viper_colour(word))]
    absent = [name for word in _VIPER_TOLD if word not in words for name in _VIPER_HAS[word]]
    for part in _VIPER_PARTS.values():
        if any(name.startswith(f"{part}:") for word in words for name in _viper_colour(word)):
            absent += [f"{part}:{colour.lower()}" for colour in _VIPER_COLOURS]
    absent += _NOTHING_CARRIED if "carryingNothing" in words else ()
    return _told_apart(has, absent)


def _viper_colour(word: str) -> Iterator[str]:
    for prefix, part in _VIPER_PARTS.items():
        colour = word.removeprefix(prefix)
        if colour != word and colour in _VIPER_COLOURS:
            yield "hair:blonde" if (part, colour) == ("hair", "Yellow") else f"{part}:{colour.lower()}"


def _told_apart(has: Collection[str], lacks: Iterable[str]) -> dict[str, bool]:
    """What somebody has and lacks, without lacking what may be meant by something that they have."""
    found, close = with_families(has, lacks), frozenset[str]().union(*map(close_colours, has))
    return {name: yes for name, yes in found.items() if yes or name not in close}


def _pictures(file: Path, kind: type, read: Callable[[Any], dict[str, bool]]) -> Iterator[tuple[str, dict[str, bool]]]:
    rows = read_json(file)
    for row in rows if isinstance(rows, list) else [None]:
        path, attributes = (row.get("file_path"), row.get("attributes")) if isinstance(row, dict) else (None, None)
        if not isinstance(path, str) or not isinstance(attributes, kind):
            raise DatasetError(expected=f"a list of pictures with their attributes in {file}", found="none", do="unpack the file again")
        yield path.rpartition(".")[0], read(attributes)
