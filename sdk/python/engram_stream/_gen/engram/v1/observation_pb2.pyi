import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VectorEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VECTOR_ENCODING_UNSPECIFIED: _ClassVar[VectorEncoding]
    VECTOR_ENCODING_F32_LE: _ClassVar[VectorEncoding]
    VECTOR_ENCODING_F16_LE: _ClassVar[VectorEncoding]

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_HIGH: _ClassVar[Priority]
    PRIORITY_NORMAL: _ClassVar[Priority]
    PRIORITY_LOW: _ClassVar[Priority]
VECTOR_ENCODING_UNSPECIFIED: VectorEncoding
VECTOR_ENCODING_F32_LE: VectorEncoding
VECTOR_ENCODING_F16_LE: VectorEncoding
PRIORITY_UNSPECIFIED: Priority
PRIORITY_HIGH: Priority
PRIORITY_NORMAL: Priority
PRIORITY_LOW: Priority

class Observation(_message.Message):
    __slots__ = ("id", "content", "embedding", "observed_at", "confidence", "importance", "context", "emotional_valence", "decay_rate", "metadata", "priority", "expires_at", "replace", "traceparent", "tracestate")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    IMPORTANCE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    EMOTIONAL_VALENCE_FIELD_NUMBER: _ClassVar[int]
    DECAY_RATE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    id: str
    content: str
    embedding: Embedding
    observed_at: _timestamp_pb2.Timestamp
    confidence: float
    importance: float
    context: ObservationContext
    emotional_valence: float
    decay_rate: float
    metadata: _struct_pb2.Struct
    priority: Priority
    expires_at: _timestamp_pb2.Timestamp
    replace: bool
    traceparent: str
    tracestate: str
    def __init__(self, id: _Optional[str] = ..., content: _Optional[str] = ..., embedding: _Optional[_Union[Embedding, _Mapping]] = ..., observed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., confidence: _Optional[float] = ..., importance: _Optional[float] = ..., context: _Optional[_Union[ObservationContext, _Mapping]] = ..., emotional_valence: _Optional[float] = ..., decay_rate: _Optional[float] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., priority: _Optional[_Union[Priority, str]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., replace: bool = ..., traceparent: _Optional[str] = ..., tracestate: _Optional[str] = ...) -> None: ...

class ObservationContext(_message.Message):
    __slots__ = ("location", "participants", "reason", "method")
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    location: str
    participants: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    method: str
    def __init__(self, location: _Optional[str] = ..., participants: _Optional[_Iterable[str]] = ..., reason: _Optional[str] = ..., method: _Optional[str] = ...) -> None: ...

class Embedding(_message.Message):
    __slots__ = ("values", "packed")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    PACKED_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    packed: PackedVector
    def __init__(self, values: _Optional[_Iterable[float]] = ..., packed: _Optional[_Union[PackedVector, _Mapping]] = ...) -> None: ...

class PackedVector(_message.Message):
    __slots__ = ("data", "encoding")
    DATA_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    encoding: VectorEncoding
    def __init__(self, data: _Optional[bytes] = ..., encoding: _Optional[_Union[VectorEncoding, str]] = ...) -> None: ...

class StoredObservation(_message.Message):
    __slots__ = ("observation", "generation", "committed_at", "quarantine_reason")
    OBSERVATION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    QUARANTINE_REASON_FIELD_NUMBER: _ClassVar[int]
    observation: Observation
    generation: int
    committed_at: _timestamp_pb2.Timestamp
    quarantine_reason: str
    def __init__(self, observation: _Optional[_Union[Observation, _Mapping]] = ..., generation: _Optional[int] = ..., committed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., quarantine_reason: _Optional[str] = ...) -> None: ...

class Include(_message.Message):
    __slots__ = ("content", "embedding", "metadata")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    content: bool
    embedding: bool
    metadata: bool
    def __init__(self, content: bool = ..., embedding: bool = ..., metadata: bool = ...) -> None: ...
