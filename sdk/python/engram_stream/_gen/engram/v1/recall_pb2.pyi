import datetime

from . import filter_pb2 as _filter_pb2
from . import observation_pb2 as _observation_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecallRequest(_message.Message):
    __slots__ = ("space", "embedding", "text", "observation_id", "limit", "min_similarity", "filter", "consistency", "effort", "exact", "include")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    OBSERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MIN_SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    space: str
    embedding: _observation_pb2.Embedding
    text: str
    observation_id: str
    limit: int
    min_similarity: float
    filter: _filter_pb2.Filter
    consistency: Consistency
    effort: int
    exact: bool
    include: _observation_pb2.Include
    def __init__(self, space: _Optional[str] = ..., embedding: _Optional[_Union[_observation_pb2.Embedding, _Mapping]] = ..., text: _Optional[str] = ..., observation_id: _Optional[str] = ..., limit: _Optional[int] = ..., min_similarity: _Optional[float] = ..., filter: _Optional[_Union[_filter_pb2.Filter, _Mapping]] = ..., consistency: _Optional[_Union[Consistency, _Mapping]] = ..., effort: _Optional[int] = ..., exact: bool = ..., include: _Optional[_Union[_observation_pb2.Include, _Mapping]] = ...) -> None: ...

class Consistency(_message.Message):
    __slots__ = ("latest", "at_least", "at", "as_of")
    LATEST_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    latest: bool
    at_least: int
    at: int
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, latest: bool = ..., at_least: _Optional[int] = ..., at: _Optional[int] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RecallResponse(_message.Message):
    __slots__ = ("results", "snapshot", "stats")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RecallResult]
    snapshot: Snapshot
    stats: RecallStats
    def __init__(self, results: _Optional[_Iterable[_Union[RecallResult, _Mapping]]] = ..., snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., stats: _Optional[_Union[RecallStats, _Mapping]] = ...) -> None: ...

class RecallResult(_message.Message):
    __slots__ = ("observation", "similarity", "generation", "in_graph")
    OBSERVATION_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    IN_GRAPH_FIELD_NUMBER: _ClassVar[int]
    observation: _observation_pb2.Observation
    similarity: float
    generation: int
    in_graph: bool
    def __init__(self, observation: _Optional[_Union[_observation_pb2.Observation, _Mapping]] = ..., similarity: _Optional[float] = ..., generation: _Optional[int] = ..., in_graph: bool = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("generation", "committed_at", "unindexed", "staleness", "replaying", "recoverable_generation")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    UNINDEXED_FIELD_NUMBER: _ClassVar[int]
    STALENESS_FIELD_NUMBER: _ClassVar[int]
    REPLAYING_FIELD_NUMBER: _ClassVar[int]
    RECOVERABLE_GENERATION_FIELD_NUMBER: _ClassVar[int]
    generation: int
    committed_at: _timestamp_pb2.Timestamp
    unindexed: int
    staleness: _duration_pb2.Duration
    replaying: bool
    recoverable_generation: int
    def __init__(self, generation: _Optional[int] = ..., committed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unindexed: _Optional[int] = ..., staleness: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., replaying: bool = ..., recoverable_generation: _Optional[int] = ...) -> None: ...

class RecallStats(_message.Message):
    __slots__ = ("scanned", "visited", "took")
    SCANNED_FIELD_NUMBER: _ClassVar[int]
    VISITED_FIELD_NUMBER: _ClassVar[int]
    TOOK_FIELD_NUMBER: _ClassVar[int]
    scanned: int
    visited: int
    took: _duration_pb2.Duration
    def __init__(self, scanned: _Optional[int] = ..., visited: _Optional[int] = ..., took: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RecallStreamRequest(_message.Message):
    __slots__ = ("recall", "increment")
    RECALL_FIELD_NUMBER: _ClassVar[int]
    INCREMENT_FIELD_NUMBER: _ClassVar[int]
    recall: RecallRequest
    increment: int
    def __init__(self, recall: _Optional[_Union[RecallRequest, _Mapping]] = ..., increment: _Optional[int] = ...) -> None: ...

class RecallStreamResponse(_message.Message):
    __slots__ = ("results", "more", "snapshot", "stats")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RecallResult]
    more: bool
    snapshot: Snapshot
    stats: RecallStats
    def __init__(self, results: _Optional[_Iterable[_Union[RecallResult, _Mapping]]] = ..., more: bool = ..., snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., stats: _Optional[_Union[RecallStats, _Mapping]] = ...) -> None: ...
