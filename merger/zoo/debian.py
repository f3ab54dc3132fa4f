"""Have the Debian packages that the images come from: fonts, and a collection of photographs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from merger.errors import SourceError

LISTED = "merger/zoo/packages.txt"


def have_packages(names: Sequence[str]) -> None:
    """Install what is missing when we may; else say what to install.

    Raises:
        SourceError: packages are missing and can't be installed from here.
    """
    missing = missing_packages(names)
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
        subprocess.run(
            command, check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        )
        missing = missing_packages(names)
    if missing:
        shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        raise SourceError(
            f"{len(missing)} Debian packages must be installed to draw the images, "
            f"and are not: {shown}.",
            f"Run `apt-get install $(cat {LISTED})` as root on Debian, then try again.",
        )


def missing_packages(names: Sequence[str]) -> list[str]:
    """Return the packages that dpkg does not know as installed; all of them without dpkg."""
    if not shutil.which("dpkg-query"):
        return list(names)
    said = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    words = (line.split() for line in said.stdout.splitlines())
    installed = {word[0] for word in words if word[-1:] == ["installed"]}
    return [name for name in names if name not in installed]
