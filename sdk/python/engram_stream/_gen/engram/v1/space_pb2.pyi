import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Metric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METRIC_UNSPECIFIED: _ClassVar[Metric]
    METRIC_COSINE: _ClassVar[Metric]
    METRIC_DOT: _ClassVar[Metric]
    METRIC_EUCLIDEAN: _ClassVar[Metric]

class SpaceState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SPACE_STATE_UNSPECIFIED: _ClassVar[SpaceState]
    SPACE_STATE_ACTIVE: _ClassVar[SpaceState]
    SPACE_STATE_REPLAYING: _ClassVar[SpaceState]
    SPACE_STATE_READ_ONLY: _ClassVar[SpaceState]

class ScanCodes(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCAN_CODES_UNSPECIFIED: _ClassVar[ScanCodes]
    SCAN_CODES_NONE: _ClassVar[ScanCodes]
    SCAN_CODES_ONE_BIT: _ClassVar[ScanCodes]
    SCAN_CODES_SEVEN_BIT: _ClassVar[ScanCodes]

class IndexPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INDEX_POLICY_UNSPECIFIED: _ClassVar[IndexPolicy]
    INDEX_POLICY_FULL: _ClassVar[IndexPolicy]
    INDEX_POLICY_NARROW: _ClassVar[IndexPolicy]
    INDEX_POLICY_PAUSED: _ClassVar[IndexPolicy]
METRIC_UNSPECIFIED: Metric
METRIC_COSINE: Metric
METRIC_DOT: Metric
METRIC_EUCLIDEAN: Metric
SPACE_STATE_UNSPECIFIED: SpaceState
SPACE_STATE_ACTIVE: SpaceState
SPACE_STATE_REPLAYING: SpaceState
SPACE_STATE_READ_ONLY: SpaceState
SCAN_CODES_UNSPECIFIED: ScanCodes
SCAN_CODES_NONE: ScanCodes
SCAN_CODES_ONE_BIT: ScanCodes
SCAN_CODES_SEVEN_BIT: ScanCodes
INDEX_POLICY_UNSPECIFIED: IndexPolicy
INDEX_POLICY_FULL: IndexPolicy
INDEX_POLICY_NARROW: IndexPolicy
INDEX_POLICY_PAUSED: IndexPolicy

class EmbedderSpec(_message.Message):
    __slots__ = ("kind", "model", "dimension")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    kind: str
    model: str
    dimension: int
    def __init__(self, kind: _Optional[str] = ..., model: _Optional[str] = ..., dimension: _Optional[int] = ...) -> None: ...

class Quotas(_message.Message):
    __slots__ = ("max_observations", "max_bytes")
    MAX_OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_observations: int
    max_bytes: int
    def __init__(self, max_observations: _Optional[int] = ..., max_bytes: _Optional[int] = ...) -> None: ...

class Retention(_message.Message):
    __slots__ = ("max_age", "max_observations", "max_bytes")
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    MAX_OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_age: _duration_pb2.Duration
    max_observations: int
    max_bytes: int
    def __init__(self, max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_observations: _Optional[int] = ..., max_bytes: _Optional[int] = ...) -> None: ...

class IndexStatus(_message.Message):
    __slots__ = ("scanned_by", "code_recall", "code_candidates", "code_trial_rows", "codes_withheld", "policy")
    SCANNED_BY_FIELD_NUMBER: _ClassVar[int]
    CODE_RECALL_FIELD_NUMBER: _ClassVar[int]
    CODE_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    CODE_TRIAL_ROWS_FIELD_NUMBER: _ClassVar[int]
    CODES_WITHHELD_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    scanned_by: ScanCodes
    code_recall: float
    code_candidates: int
    code_trial_rows: int
    codes_withheld: bool
    policy: IndexPolicy
    def __init__(self, scanned_by: _Optional[_Union[ScanCodes, str]] = ..., code_recall: _Optional[float] = ..., code_candidates: _Optional[int] = ..., code_trial_rows: _Optional[int] = ..., codes_withheld: bool = ..., policy: _Optional[_Union[IndexPolicy, str]] = ...) -> None: ...

class SpaceMemory(_message.Message):
    __slots__ = ("used", "rows", "ids", "codes", "graph", "filters", "rest", "limit")
    USED_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    REST_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    used: int
    rows: int
    ids: int
    codes: int
    graph: int
    filters: int
    rest: int
    limit: int
    def __init__(self, used: _Optional[int] = ..., rows: _Optional[int] = ..., ids: _Optional[int] = ..., codes: _Optional[int] = ..., graph: _Optional[int] = ..., filters: _Optional[int] = ..., rest: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class Space(_message.Message):
    __slots__ = ("id", "incarnation", "dimension", "metric", "embedder", "generation", "observations", "unindexed", "bytes", "state", "quotas", "retention", "index_threshold", "created_at", "history_window", "quarantined", "asleep", "index", "memory", "dead_rows", "resident_rows", "mapped_rows")
    ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    UNINDEXED_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    INDEX_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    HISTORY_WINDOW_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    ASLEEP_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    DEAD_ROWS_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_ROWS_FIELD_NUMBER: _ClassVar[int]
    MAPPED_ROWS_FIELD_NUMBER: _ClassVar[int]
    id: str
    incarnation: int
    dimension: int
    metric: Metric
    embedder: EmbedderSpec
    generation: int
    observations: int
    unindexed: int
    bytes: int
    state: SpaceState
    quotas: Quotas
    retention: Retention
    index_threshold: int
    created_at: _timestamp_pb2.Timestamp
    history_window: _duration_pb2.Duration
    quarantined: int
    asleep: bool
    index: IndexStatus
    memory: SpaceMemory
    dead_rows: int
    resident_rows: int
    mapped_rows: int
    def __init__(self, id: _Optional[str] = ..., incarnation: _Optional[int] = ..., dimension: _Optional[int] = ..., metric: _Optional[_Union[Metric, str]] = ..., embedder: _Optional[_Union[EmbedderSpec, _Mapping]] = ..., generation: _Optional[int] = ..., observations: _Optional[int] = ..., unindexed: _Optional[int] = ..., bytes: _Optional[int] = ..., state: _Optional[_Union[SpaceState, str]] = ..., quotas: _Optional[_Union[Quotas, _Mapping]] = ..., retention: _Optional[_Union[Retention, _Mapping]] = ..., index_threshold: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., history_window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., quarantined: _Optional[int] = ..., asleep: bool = ..., index: _Optional[_Union[IndexStatus, _Mapping]] = ..., memory: _Optional[_Union[SpaceMemory, _Mapping]] = ..., dead_rows: _Optional[int] = ..., resident_rows: _Optional[int] = ..., mapped_rows: _Optional[int] = ...) -> None: ...
