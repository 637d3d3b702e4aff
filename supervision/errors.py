"""Errors of supervision trees, in a room of their own: who catches them need not load the trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mailbox.errors import CallboardError

if TYPE_CHECKING:
    from .actions import Denied


class TreeGaveUp(CallboardError):
    """The topmost supervisor gave up, and with it the node; the text tells what led there. Mail is safe."""


class ChildRefused(CallboardError):
    """What was asked of a supervisor about a child was not done; the text says why.

    Attributes:
        reason: one word, as OTP has them; see `actions.Reason`.
    """

    def __init__(self, denied: Denied) -> None:
        super().__init__(denied.text)
        self.reason = denied.reason
