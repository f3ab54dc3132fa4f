"""What the page shows about a method, and what its search looks into."""

from typing import Any

from merger.facts import facts_of, search_text
from merger.method import Method


def shown(method: Method) -> dict[str, Any]:
    """Return the table of facts, as plain text, and the words that find the method."""
    facts = [
        {
            "name": fact.name,
            "text": fact.text.replace("`", ""),
            "lines": [line.replace("`", "") for line in fact.lines],
            "link": fact.link,
        }
        for fact in facts_of(method)
    ]
    return {"facts": facts, "search": search_text(method)}
