"""Forking: gRPC has to be told of it before it is loaded.

With its fork support a child can open channels of its own; without it every
call in a child hangs. This module is imported before grpc is, and asks for the
support unless GRPC_ENABLE_FORK_SUPPORT says otherwise or grpc was loaded
earlier without it.
"""

from __future__ import annotations

import os
import sys

_NAME = "GRPC_ENABLE_FORK_SUPPORT"

if "grpc" not in sys.modules:
    os.environ.setdefault(_NAME, "1")

SUPPORTED = os.environ.get(_NAME, "0").lower() in ("1", "true", "yes", "on")
"""Whether a forked child can use gRPC."""

ADVICE = (
    "this process was forked from one that used gRPC without fork support, and calls would hang: "
    f"import engram_stream before grpc, or set {_NAME}=1 before the start, or start children by spawn"
)
