"""How sure the specification of a method is: where its formula and its numbers come from."""

from collections.abc import Mapping
from typing import Literal

Evidence = Literal[
    "code run",
    "code read",
    "other's code read",
    "paper's text",
    "reconstructed",
    "standard formula",
]

EVIDENCE: Mapping[str, str] = {
    "code run": "another implementation was run beside this one and gives the same numbers; "
    "`make conformance` repeats that, and docs/dialects.md lists every known difference",
    "code read": "the authors' published code was read line by line and nothing else was run "
    "beside it",
    "other's code read": "the authors' code could not be had; somebody else's was read line by "
    "line",
    "paper's text": "there is no published code; it follows the text of the paper",
    "reconstructed": "there is no published code and not the whole formula; what was missing is "
    "our own design, with the properties that the paper states",
    "standard formula": "a well-known formula that leaves nothing open",
}
