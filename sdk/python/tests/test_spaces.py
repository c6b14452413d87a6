"""What a space and a server tell arrives: every field, each in its place."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from google.protobuf.message import Message

from engram_stream import Client, Observation
from engram_stream._gen.engram.v1 import admin_service_pb2 as ap
from engram_stream._gen.engram.v1 import space_pb2 as spp
from engram_stream.admin import status_of
from engram_stream.spaces import IndexStatus, SpaceMemory, space_of


def filled(m: Any, start: int = 1) -> Any:
    """Give every field of a message, and of those below it, a value of its own."""
    for n, f in enumerate(m.DESCRIPTOR.fields, start):
        if f.is_repeated:
            continue
        if f.message_type is not None:
            getattr(m, f.name).SetInParent()
            filled(getattr(m, f.name), 100 * n)
        elif f.enum_type is not None:
            setattr(m, f.name, 2)
        elif f.type == f.TYPE_STRING:
            setattr(m, f.name, f.name)
        else:
            setattr(m, f.name, True if f.type == f.TYPE_BOOL else n)
    return m


def same(told: Any, sent: Message, *renamed: str) -> None:
    """Compare the fields of one name."""
    for f in fields(told):
        if f.name not in renamed:
            assert getattr(told, f.name) == getattr(sent, f.name), f.name


def unset(told: Any, path: str = "") -> list[str]:
    """Name the fields that have no value."""
    if not is_dataclass(told):
        return [] if told else [path]
    return [p for f in fields(told) for p in unset(getattr(told, f.name), f"{path}.{f.name}")]


def test_spaces_arrive_whole() -> None:
    sent = filled(spp.Space())
    told = space_of(sent)
    assert unset(told) == []
    assert (told.dead_rows, told.resident_rows, told.mapped_rows) == (
        sent.dead_rows,
        sent.resident_rows,
        sent.mapped_rows,
    )
    same(told.index, sent.index, "scanned_by", "policy")
    assert (told.index.scanned_by, told.index.policy) == ("ONE_BIT", "NARROW")
    same(told.memory, sent.memory)


def test_status_arrives_whole() -> None:
    sent = filled(ap.ServerStatus())
    sent.index_policies.add(policy=3, spaces=7)
    told = status_of(sent)
    assert unset(told) == []
    same(told.memory, sent.memory, "level")
    assert (told.memory.level, told.disk_level, told.dead_rows) == ("WARNING", "WARNING", sent.dead_rows)
    assert told.index_policies == {"PAUSED": 7}


def test_an_older_server_tells_less() -> None:
    told = space_of(spp.Space(id="notes"))
    assert (told.index, told.memory) == (IndexStatus(), SpaceMemory())
    status = status_of(ap.ServerStatus())
    assert (status.memory.level, status.disk_level, status.index_policies) == ("UNSPECIFIED", "UNSPECIFIED", {})


def test_a_server_tells_them(engram_client: Client, engram_space: str) -> None:
    c = engram_client
    for text in ["a", "b"]:
        c.observe(engram_space, Observation(text, [1, 2], id="one", replace=True))
    space = c.get_space(engram_space)
    assert (space.index.scanned_by, space.index.policy, space.index.codes_withheld) == ("NONE", "FULL", False)
    assert (space.dead_rows, space.resident_rows, space.mapped_rows) == (1, 2, 0)
    assert space.memory.used >= space.memory.rows > 0
    assert next(s for s in c.list_spaces(engram_space)).index == space.index
    status = c.status()
    assert status.memory.level == "OK"
    assert status.disk_level in ("OK", "WARNING", "REFUSING")
    assert set(status.index_policies) == {"FULL", "NARROW", "PAUSED"}
    assert status.dead_rows >= 1
