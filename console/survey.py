"""A survey of all mailboxes of a store: what waits, how long, and what stands still."""

from collections.abc import Iterator
from typing import Final

import attrs

from ..mailbox.reading import list_mailboxes
from ..mailbox.store import Store
from ..mailbox.views import MailboxView

MOST: Final = 50_000
"""Mailboxes looked at; where there are more, the survey says so."""
_PAGE: Final = 500


@attrs.define
class Survey:
    """What is in the mailboxes."""

    mailboxes: int = 0
    more: bool = False
    """There are more mailboxes than were looked at."""
    unreadable: int = 0
    paused: list[str] = attrs.field(factory=list[str])
    retrying: list[str] = attrs.field(factory=list[str])
    ownerless: list[str] = attrs.field(factory=list[str])
    """Mailboxes with mail and no actor."""
    oldest: str = ""
    """The mailbox whose next message has waited longest."""
    oldest_at: int = 0
    """When that was sent, ns; 0 if no mail waits."""


def survey(store: Store, most: int = MOST) -> Survey:
    """Look at every mailbox, up to so many."""
    found = Survey()
    for view in _views(store):
        if found.mailboxes >= most:
            found.more = True
            break
        _add(found, view)
    return found


def _views(store: Store) -> Iterator[MailboxView]:
    after = 0
    while page := list_mailboxes(store, after=after, limit=_PAGE):
        yield from page
        after = page[-1].box


def _add(found: Survey, view: MailboxView) -> None:
    found.mailboxes += 1
    if view.problem:
        found.unreadable += 1
        return
    if view.condition == "paused":
        found.paused.append(view.name)
    elif view.condition == "retrying":
        found.retrying.append(view.name)
    elif view.condition == "no actor" and view.mail:
        found.ownerless.append(view.name)
    if view.oldest and (not found.oldest_at or view.oldest < found.oldest_at):
        found.oldest, found.oldest_at = view.name, view.oldest
