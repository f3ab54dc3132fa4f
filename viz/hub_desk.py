"""Models of the hub on the page: looked at by their headers, fetched in the background, opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from merger.doctor import doctor
from merger.errors import JobError, MergeError, SourceError
from merger.hub.access import Access, Secret, own_token
from merger.hub.asking import Wish
from merger.hub.headers import look
from merger.hub.pinned import Pinned, at_commit, pin, read_name
from merger.hub.rights import Rights
from merger.lru import Lru
from merger.recipe import Expert, Recipe
from merger.sources import SourceRules, named_bases
from viz.answers import answers
from viz.catalog import MAX_EXPERTS, Catalog, Family
from viz.checkup import checkup_view, roughly
from viz.hub_catalog import HubCatalog, hub_family
from viz.hub_host import HubHost
from viz.hub_picks import Picks, checked
from viz.jobs_view import job_view
from viz.login import login_of
from viz.offer import family_view
from viz.requests import visitor_of

if TYPE_CHECKING:
    from viz.studio import Studio

SHELF = 8
FAMILIES = 64


@dataclass(eq=False)
class HubDesk:
    """What the page can ask about models of the hub.

    Args:
        studio: The studio it is part of.
        host: How visitors read the hub; None where it is switched off.
    """

    studio: Studio
    host: HubHost | None
    rights: Rights = field(default_factory=Rights)
    _families: Lru[Family] = field(default_factory=lambda: Lru(FAMILIES))

    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Return what assets/studio/hub.js calls, by name."""
        return (self.hub_look, self.hub_fetch, self.hub_add)

    def catalog(self, request: Mapping[str, Any]) -> Catalog:
        """Return what the visitor who sent a request can pick."""
        if self.host is None:
            return self.studio.catalog
        return HubCatalog(
            self.studio.catalog.families, _shelf(request), lambda picks: self.read(request, picks)
        )

    def read(self, request: Mapping[str, Any], picks: Picks) -> Family:
        """Return a family, once the hub said that whoever sent a request may read all of it."""
        self._check(request, picks)
        offered = self.studio.catalog.families
        texts = tuple(dict.fromkeys(f.folder for f in offered if f.folder is not None))
        return self._families.get_or_make(picks.id, lambda: hub_family(picks, texts))

    def on_shelf(self, request: Mapping[str, Any]) -> tuple[Family, ...]:
        """Return the families that a page keeps and its visitor may open now."""
        found: list[Family] = []
        for picks in _shelf(request) if self.host is not None else ():
            try:
                found.append(self.read(request, picks))
            except MergeError:
                continue  # what is asked for by name says why it cannot be opened
        return tuple(found)

    def settings(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what the page needs to know of the hub; None where it is switched off."""
        if self.host is None:
            return None
        login = login_of(request)
        user = "" if login is None else login.name
        return {"own": self.host.own, "login": self.host.login, "user": user}

    @answers
    def hub_look(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what the doctor says of models that are named; no weights are fetched."""
        token = self._token(request)
        access = Access(token, is_visitor=True)
        experts = [pin(_wish(text, access)) for text in _texts(request.get("experts"))]
        base, guessed = _base(request, access, experts)
        picks = checked(base, dict.fromkeys(one for one in experts if one != base))
        report = doctor(_recipe(picks), roots=SourceRules(hub=True, token=token))
        missing = report.fetch_bytes or 0
        return {
            "found": {
                "id": picks.id,
                "base": "" if base is None else base.name,
                "guessed": guessed,
                "checkup": checkup_view(report),
                "fetch": roughly(missing) if missing else "",
                # What cannot be merged with one method may be with another; what cannot be
                # opened is never.
                "ready": bool(report.models),
            }
        }

    @answers
    def hub_fetch(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start to fetch models in the background, with the rights of the visitor."""
        picks = Picks.of_id(str(request.get("id")))
        self._check(request, picks)
        sources = [pinned.source for pinned in picks.all]
        title = "Fetch " + ", ".join(pinned.name for pinned in picks.all)
        owner, token = visitor_of(request), self._token(request)
        for job in self.studio.jobs.list(owner):
            if job.kind == "fetch" and job.title == title[:200] and not job.is_finished:
                return {"job": job_view(job)}
        runner = self.studio.fetches or self.studio.jobs
        job = runner.submit("fetch", {"models": sources}, owner=owner, title=title, secret=token)
        return {"job": job_view(job)}

    @answers
    def hub_add(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return models that have been fetched, as the page offers them."""
        return {"family": family_view(self.read(request, Picks.of_id(str(request.get("id")))))}

    def _check(self, request: Mapping[str, Any], picks: Picks) -> None:
        token = self._token(request)
        self.rights.check(visitor_of(request), [one.name for one in picks.all], token)

    def _token(self, request: Mapping[str, Any]) -> Secret | None:
        """Return whose token reads for a request.

        Raises:
            JobError: The hub is switched off.
        """
        if self.host is None:
            raise JobError("Models of the hub are switched off here.", "The host can allow them.")
        if self.host.own:
            return own_token()
        login = login_of(request)
        return None if login is None else login.token


def _base(
    request: Mapping[str, Any], access: Access, experts: list[Pinned]
) -> tuple[Pinned | None, bool]:
    """Return the base that was named, else one that an expert names, and whether it is that."""
    text = request.get("base")
    if isinstance(text, str) and text.strip():
        return pin(_wish(text, access)), False
    for expert in experts:
        folder, _ = look(at_commit(Wish(expert.name, access=access), expert))
        for claim in named_bases(folder):
            try:
                name, revision = read_name(claim)
                if "/" not in name or name == expert.name:
                    continue  # a folder of whoever trained it
                return pin(Wish(name, revision, access=access)), True
            except MergeError:
                continue
    return None, False


def _wish(text: str, access: Access) -> Wish:
    name, revision = read_name(text)
    return Wish(name, revision, access=access)


def _texts(value: object) -> list[str]:
    texts = (
        [t for t in value if isinstance(t, str) and t.strip()] if isinstance(value, list) else []
    )
    if not 1 <= len(texts) <= MAX_EXPERTS:
        raise SourceError(
            f"Name 1 to {MAX_EXPERTS} experts, one a line; got {len(texts)}.",
            "Such as organisation/name.",
        )
    return texts


def _shelf(request: Mapping[str, Any]) -> tuple[Picks, ...]:
    sent = request.get("shelf")
    found: list[Picks] = []
    for id in sent[:SHELF] if isinstance(sent, list) else ():
        try:
            found.append(Picks.of_id(str(id)))
        except SourceError:
            continue  # kept by another version of the page
    return tuple(found)


def _recipe(picks: Picks) -> Recipe:
    experts = tuple(
        Expert(pinned.source, name)
        for pinned, name in zip(picks.experts, picks.names(), strict=True)
    )
    if picks.base is None:
        return Recipe("average", experts)
    return Recipe("task_arithmetic", experts, base=picks.base.source)
