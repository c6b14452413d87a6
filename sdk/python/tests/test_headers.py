"""TLS, keys and trace context, against a server of gRPC that shows what it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from engram_stream import TLS, AuthError, Client, InvalidError, UnavailableError
from engram_stream._gen.engram.v1 import admin_service_pb2 as ad
from engram_stream._gen.engram.v1 import memory_service_pb2 as ms
from engram_stream._gen.engram.v1 import session_pb2 as sp
from engram_stream.aio import AsyncClient

Heard = list[dict[str, str]]


class Mirror(grpc.GenericRpcHandler):
    """Answers the few calls of these tests and keeps their headers."""

    def __init__(self) -> None:
        self.headers: Heard = []
        self.observed: list[Any] = []

    def service(self, details: Any) -> Any:
        self.headers.append(dict(details.invocation_metadata))
        name = details.method.rpartition("/")[2]
        if name == "GetStatus":
            return grpc.unary_unary_rpc_method_handler(lambda *_: ad.GetStatusResponse().SerializeToString())
        if name == "Observe":
            return grpc.unary_unary_rpc_method_handler(self.observe)
        if name == "ObserveStream":
            return grpc.stream_stream_rpc_method_handler(self.stream)
        return grpc.unary_unary_rpc_method_handler(deny)

    def observe(self, data: bytes, _: Any) -> bytes:
        self.observed += ms.ObserveRequest.FromString(data).observations
        return ms.ObserveResponse().SerializeToString()

    def stream(self, frames: Iterator[bytes], _: Any) -> Iterator[bytes]:
        for data in frames:
            f = ms.ObserveStreamRequest.FromString(data)
            if f.HasField("init"):
                credits = sp.Credits(through_sequence=1 << 20, bytes=1 << 20)
                answer = ms.ObserveStreamResponse(
                    init_ack=sp.InitAck(session_id="mirror", next_sequence=1, credits=credits)
                )
            elif f.HasField("observations"):
                self.observed += f.observations.observations
                n = f.observations.first_sequence + len(f.observations.observations) - 1
                answer = ms.ObserveStreamResponse(ack=sp.Ack(status=sp.ACK_LEVEL_VISIBLE, through_sequence=n))
            else:
                answer = ms.ObserveStreamResponse(closed=sp.Closed(final_sequence=f.close.last_sequence))
            yield answer.SerializeToString()
            if f.HasField("close"):
                return


def deny(_: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "not yours")
    raise AssertionError


def certificate() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "engram.test")])
    now = datetime.now(timezone.utc)
    names = [x509.DNSName("engram.test"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def mirror() -> Iterator[tuple[Mirror, str, str, bytes, bytes]]:
    key, cert = certificate()
    m = Mirror()
    server = grpc.server(ThreadPoolExecutor(8), handlers=[m])
    plain = server.add_insecure_port("127.0.0.1:0")
    credentials = grpc.ssl_server_credentials([(key, cert)], cert, require_client_auth=False)
    secure = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield m, f"127.0.0.1:{plain}", f"127.0.0.1:{secure}", key, cert
    server.stop(None).wait()


def test_keys_and_headers_go_with_every_call(mirror: tuple[Mirror, str, str, bytes, bytes]) -> None:
    m, plain, *_ = mirror
    keys = iter(["first", "second", "third"])
    with Client(plain, api_key=lambda: next(keys), headers={"X-Team": "blue"}) as c:
        c.status()
        c.status()
        with c.open_session("notes") as s:
            s.observe("x")
    assert [h["authorization"] for h in m.headers] == ["Bearer first", "Bearer second", "Bearer third"]
    assert {h["x-team"] for h in m.headers} == {"blue"}
    with Client(plain, api_key="k") as c, pytest.raises(AuthError) as err:
        c.get_space("notes")
    assert err.value.code == "permission_denied"


async def test_keys_go_with_asynchronous_calls(mirror: tuple[Mirror, str, str, bytes, bytes]) -> None:
    m, _, secure, _, cert = mirror
    async with AsyncClient(secure, tls=TLS(roots=cert), api_key="k") as c:
        await c.status()
        async with c.open_session("notes") as s:
            await s.observe("x")
    assert [h["authorization"] for h in m.headers] == ["Bearer k"] * 2
    assert len(m.observed) == 1


def test_tls(mirror: tuple[Mirror, str, str, bytes, bytes]) -> None:
    _, plain, secure, key, cert = mirror
    with Client(secure, tls=TLS(roots=cert)) as c:
        c.status()
        assert "by TLS" in repr(c)
    with Client(f"https://{secure}", tls=TLS(roots=cert, key=key, certificate=cert, server_name="engram.test")) as c:
        c.status()
    with Client(secure, tls=True) as c, pytest.raises(UnavailableError):
        c.status(timeout=20)  # the system's roots do not know it
    with Client(secure) as c, pytest.raises(UnavailableError):
        c.status(timeout=20)
    with Client(plain, tls=TLS(roots=cert)) as c, pytest.raises(UnavailableError):
        c.status(timeout=20)
    assert "roots=…" in repr(TLS(roots=cert))
    assert b"BEGIN" not in repr(TLS(key=key)).encode()
    with pytest.raises(InvalidError):
        Client(f"http://{secure}", tls=TLS(roots=cert))


def test_trace_context_goes_along(mirror: tuple[Mirror, str, str, bytes, bytes]) -> None:
    m, plain, *_ = mirror
    tracer = TracerProvider().get_tracer("test")

    def text(span: trace.Span) -> str:
        c = span.get_span_context()
        return f"00-{c.trace_id:032x}-{c.span_id:016x}-{int(c.trace_flags):02x}"

    with Client(plain) as c:
        c.status()
        assert "traceparent" not in m.headers[-1]
        with tracer.start_as_current_span("opening") as opening:
            s = c.open_session("notes")
        assert m.headers[-1]["traceparent"] == text(opening)
        with tracer.start_as_current_span("observing") as observing:
            s.observe("x")
            s.observe_many(["y"])
            s.observe_many(contents=["z"])
            c.observe("notes", "w")
            assert m.headers[-1]["traceparent"] == text(observing)
        s.observe("v")
        s.close(timeout=20)
    assert [o.content for o in m.observed] == ["x", "y", "z", "w", "v"]
    assert [o.traceparent for o in m.observed] == [text(observing)] * 4 + [""]
