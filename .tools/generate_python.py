"""Generate the Python messages and stubs of engram.v1.

Usage: generate_python.py IMAGE OUT

IMAGE is a file descriptor set of the contract with its imports, as written by
`buf build --as-file-descriptor-set`. OUT is the package folder that becomes
engram_stream._gen.

Two things differ from a plain protoc run:

* The options of buf.validate are dropped, with the import that declares them:
  the server validates, and a client need not install another package for that.
* protoc writes absolute imports (`from engram.v1 import …`). They are made
  relative, since another vendor's package already imports as `engram`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

VALIDATE = "buf/validate/validate.proto"
DOC = '"""Generated from proto/engram/v1 by `make generate`. Do not edit."""\n'


def strip_validation(image: bytes) -> descriptor_pb2.FileDescriptorSet:
    """Return the files of the contract without the options of buf.validate.

    Extensions that this process has not registered are unknown fields, so
    discarding those removes exactly the options nobody here can read.
    """
    files = descriptor_pb2.FileDescriptorSet.FromString(image)
    files.DiscardUnknownFields()
    kept = descriptor_pb2.FileDescriptorSet()
    for file in files.file:
        if file.name == VALIDATE:
            continue
        if VALIDATE in file.dependency:
            file.dependency.remove(VALIDATE)
        kept.file.append(file)
    return kept


def make_relative(text: str) -> str:
    """Rewrite `from engram.v1 import x` to `from . import x`."""
    return re.sub(r"^from engram\.v1 import ", "from . import ", text, flags=re.M)


def main(image_path: str, out: str) -> int:
    """Write the generated package and return protoc's exit code."""
    files = strip_validation(Path(image_path).read_bytes())
    targets = sorted(f.name for f in files.file if f.name.startswith("engram/"))
    root = Path(out)
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(suffix=".binpb") as stripped:
        stripped.write(files.SerializeToString(deterministic=True))
        stripped.flush()
        code = protoc.main(
            [
                "protoc",
                f"--descriptor_set_in={stripped.name}",
                f"--python_out={root}",
                f"--pyi_out={root}",
                f"--grpc_python_out={root}",
                *targets,
            ]
        )
    if code != 0:
        return code
    for path in root.rglob("*.py*"):
        if path.suffix in {".py", ".pyi"}:
            path.write_text(make_relative(path.read_text()))
    for empty in root.rglob("*_pb2_grpc.py"):
        # A file without a service gets a stub of nothing but a version check.
        if "Stub(" not in empty.read_text():
            empty.unlink()
    for package in [root, root / "engram", root / "engram" / "v1"]:
        (package / "__init__.py").write_text(DOC)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
