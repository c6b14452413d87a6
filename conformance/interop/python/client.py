"""Observes, recalls and streams by grpcio, and prints what the server answered.

Usage: client.py HOST:PORT, with sdk/python on the path, and what to send as JSON
on standard input. Prints a JSON list with an object for each style of grpcio:
blocking and asyncio.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sys

import grpc
from google.protobuf import json_format

from engram_stream._gen.engram.v1 import memory_service_pb2 as memory
from engram_stream._gen.engram.v1 import memory_service_pb2_grpc as rpc
from engram_stream._gen.engram.v1 import recall_pb2, session_pb2

GIVEN = json.load(sys.stdin)
FACTS = json_format.ParseDict(GIVEN["Facts"], session_pb2.ObservationBatch()).observations
LAST = len(GIVEN["Batch"]["observations"])
TIMEOUT = 30  # seconds a call may take


def question(space: str) -> recall_pb2.RecallRequest:
    """Return the question that every client asks."""
    return recall_pb2.RecallRequest(space=space, text=GIVEN["Question"])


def init(space: str) -> memory.ObserveStreamRequest:
    """Return the first frame of a session."""
    return memory.ObserveStreamRequest(init=session_pb2.SessionInit(space=space))


BATCH = memory.ObserveStreamRequest(
    observations=json_format.ParseDict(GIVEN["Batch"], session_pb2.ObservationBatch())
)
CLOSE = memory.ObserveStreamRequest(close=session_pb2.SessionClose(drain=True, last_sequence=LAST))


def all_visible(frame: memory.ObserveStreamResponse) -> bool:
    """Tell whether a frame acks the whole batch as visible."""
    ack = frame.ack
    return ack.status == session_pb2.ACK_LEVEL_VISIBLE and ack.through_sequence == LAST


def report(client, observed, recalled, frames, stream_recalled) -> dict:
    """Return the answers as JSON of the contract."""

    def told(message):
        return message and json_format.MessageToDict(message)

    return {
        "client": client,
        "observed": told(observed),
        "recalled": told(recalled),
        "frames": [told(f) for f in frames],
        "streamRecalled": told(stream_recalled),
    }


def blocking(address: str) -> dict:
    """Speak in the blocking style."""
    space = "grpcio-sync"
    with grpc.insecure_channel(address) as channel:
        stub = rpc.MemoryServiceStub(channel)
        request = memory.ObserveRequest(space=space, observations=FACTS)
        observed = stub.Observe(request, timeout=TIMEOUT)
        recalled = stub.Recall(question(space), timeout=TIMEOUT)

        outbox: queue.SimpleQueue = queue.SimpleQueue()
        outbox.put(init(f"{space}-stream"))
        frames, stream_recalled = [], None
        for frame in stub.ObserveStream(iter(outbox.get, None), timeout=TIMEOUT):
            frames.append(frame)
            if frame.HasField("init_ack"):
                outbox.put(BATCH)
            elif all_visible(frame) and stream_recalled is None:
                stream_recalled = stub.Recall(question(f"{space}-stream"), timeout=TIMEOUT)
                outbox.put(CLOSE)
                outbox.put(None)
    return report(space, observed, recalled, frames, stream_recalled)


async def concurrent(address: str) -> dict:
    """Speak in the style of asyncio."""
    space = "grpcio-aio"
    async with grpc.aio.insecure_channel(address) as channel:
        stub = rpc.MemoryServiceStub(channel)
        request = memory.ObserveRequest(space=space, observations=FACTS)
        observed = await stub.Observe(request, timeout=TIMEOUT)
        recalled = await stub.Recall(question(space), timeout=TIMEOUT)

        stream = stub.ObserveStream(timeout=TIMEOUT)
        await stream.write(init(f"{space}-stream"))
        frames, stream_recalled = [], None
        async for frame in stream:
            frames.append(frame)
            if frame.HasField("init_ack"):
                await stream.write(BATCH)
            elif all_visible(frame) and stream_recalled is None:
                stream_recalled = await stub.Recall(question(f"{space}-stream"), timeout=TIMEOUT)
                await stream.write(CLOSE)
                await stream.done_writing()
    return report(space, observed, recalled, frames, stream_recalled)


if __name__ == "__main__":
    print(json.dumps([blocking(sys.argv[1]), asyncio.run(concurrent(sys.argv[1]))]))
