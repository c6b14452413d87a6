"""Engram for asyncio.

from engram_stream.aio import AsyncClient

async with AsyncClient("127.0.0.1:50051") as client:
async with client.open_session("notes") as session:
await session.observe("the kettle is in the red box")
found = await client.recall("notes", text="where is the kettle?", limit=3)
"""

from .client import AsyncClient, Opening
from .memory import AsyncMemory
from .session import AsyncSession

__all__ = ["AsyncClient", "AsyncMemory", "AsyncSession", "Opening"]
