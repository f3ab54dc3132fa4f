"""Packages that are missing are named, with what to do about it."""

import pytest

from merger.errors import SourceError
from merger.zoo.debian import have_packages, missing_packages


def test_without_dpkg_every_package_counts_as_missing(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert missing_packages(["fonts-one", "fonts-two"]) == ["fonts-one", "fonts-two"]


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SourceError) as caught:
        have_packages(["fonts-one"])
    assert "fonts-one" in caught.value.message
    assert "apt-get install" in caught.value.hint
