"""What stands between an action and the raw contract in `wit/`.

Texts are parsed into the types that the action names, and whatever is raised
becomes a failure.
"""

import json
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Generic, Protocol, TypeVar, get_args

import wit_world
from componentize_py_types import Err
from wit_world.imports import log as raw_log
from wit_world.imports import types

Payload = TypeVar("Payload")
Ext = TypeVar("Ext")
Settings = TypeVar("Settings")


class Transient(Exception):
    """A failure that is worth another attempt."""


class Permanent(Exception):
    """A failure that will not get better, as any other exception is."""


@dataclass
class Message(Generic[Payload]):
    """The signed message; the host has verified signature and schema."""

    msg_id: str
    msg_type: str
    client_id: str
    creation_date: str
    """RFC 3339."""
    signer: str
    """The EIP-55 address recovered from the signature."""
    text: str
    """Exactly what was signed."""
    payload: Payload
    """The member `payload` of the text."""


@dataclass
class Call(Generic[Payload, Ext, Settings]):
    """One invocation. For one `step` everything but `seq`, `attempt` and
    `now_ms` is the same over all attempts."""

    message: Message[Payload]
    state: str
    seq: int
    step: int
    """With the Msg_ID the idempotency key towards the outside."""
    attempt: int
    now_ms: int
    """When this attempt became due, in milliseconds since the Unix epoch."""
    ext: Ext
    settings: Settings


@dataclass
class Advance:
    """The message moves on to `state`, one that the manifest's `returns` names;
    `patch` is a JSON Merge Patch (RFC 7396) for Msg_Ext."""

    state: str
    patch: dict[str, Any] | None = None
    note: str | None = None


class log:
    """Lines for the host's log, which limits their number and size."""

    @staticmethod
    def debug(text: str) -> None:
        raw_log.write(raw_log.Level.DEBUG, text)

    @staticmethod
    def info(text: str) -> None:
        raw_log.write(raw_log.Level.INFO, text)

    @staticmethod
    def warn(text: str) -> None:
        raw_log.write(raw_log.Level.WARN, text)

    @staticmethod
    def error(text: str) -> None:
        raw_log.write(raw_log.Level.ERROR, text)


def read(part: str, value: Any, wanted: Any) -> Any:
    """A JSON value as the type that the action names: a dataclass takes the
    members that it has fields for; anything else is left as it is."""
    if not is_dataclass(wanted):
        return value
    if not isinstance(value, dict):
        raise Permanent(f"failed to read {part}: it is no object")
    taken = {
        field.name: read(f"{part}.{field.name}", value[field.name], field.type)
        for field in fields(wanted)
        if field.name in value
    }
    make: Any = wanted
    try:
        return make(**taken)
    except TypeError as error:
        raise Permanent(f"failed to read {part}: {error}") from error


class Action(wit_world.WitWorld, Protocol[Payload, Ext, Settings]):
    """The base of the class `WitWorld`, which must have that name."""

    def decide(self, call: Call[Payload, Ext, Settings]) -> Advance:
        """The action."""
        raise NotImplementedError

    def run(self, call: types.Call) -> types.Advance:
        try:
            advance = self.decide(self._typed(call))
            patch = json.dumps(advance.patch or {}, ensure_ascii=False, allow_nan=False)
            return types.Advance(advance.state, patch, advance.note)
        except Transient as error:
            raise Err(types.Failure_Transient(str(error))) from error
        except Permanent as error:
            raise Err(types.Failure_Permanent(str(error))) from error
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise Err(types.Failure_Permanent(reason)) from error

    def _typed(self, call: types.Call) -> Call[Payload, Ext, Settings]:
        # What stands in the brackets of the action's base.
        payload, ext, settings = get_args(getattr(type(self), "__orig_bases__")[0])
        text = json.loads(call.message.text)
        raw = vars(call) | {
            "message": Message(
                **vars(call.message), payload=read("payload", text["payload"], payload)
            ),
            "ext": read("ext", json.loads(call.ext), ext),
            "settings": read("settings", json.loads(call.settings), settings),
        }
        return Call(**raw)
