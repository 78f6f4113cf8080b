"""Other people's words: names in claims, comments of keys, messages of registries."""

from __future__ import annotations

import re

#: Characters that people do not see: direction marks and the like. Controls go without saying.
UNSEEN = re.compile(
    "[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def escaped(text: str) -> str:
    """Without what a terminal obeys, or people do not see."""

    def escape(found: re.Match[str]) -> str:
        return found[0].encode("unicode_escape").decode()

    return CONTROLS.sub(escape, UNSEEN.sub(escape, text))
