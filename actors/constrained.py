"""Constraints: `Annotated[int, msgspec.Meta(ge=0)]`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from .kinds import Inexact, Kind, unsupported


class Constrained(Kind):
    """A kind with a `msgspec.Meta`, held at the sender as well as at the reader."""

    def __init__(self, kind: Kind, meta: msgspec.Meta) -> None:
        self.kind = kind
        self.meta = meta
        self.text = f"{kind.text} with {meta!r}"
        if not kind.native:
            raise unsupported(
                self.text, f"msgspec.Meta can limit what msgspec writes itself, and not {kind.text}"
            )
        self.immutable = kind.immutable
        self.wire = Annotated[kind.wire, meta]
        self.accepts, self.decoded, self.forms = kind.accepts, kind.decoded, kind.forms
        try:
            msgspec.msgpack.Decoder(self.wire)
        except TypeError as error:
            raise unsupported(self.text, str(error)) from error

    def check(self, value: Any) -> Any:
        value = self.kind.check(value)
        try:
            msgspec.convert(value, self.wire)
        except msgspec.ValidationError as error:
            raise Inexact(self.kind.text, value, str(error)) from None
        return value
