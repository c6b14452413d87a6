import datetime

from . import observation_pb2 as _observation_pb2
from . import session_pb2 as _session_pb2
from . import space_pb2 as _space_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ServerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SERVER_STATE_UNSPECIFIED: _ClassVar[ServerState]
    SERVER_STATE_REPLAYING: _ClassVar[ServerState]
    SERVER_STATE_SERVING: _ClassVar[ServerState]
    SERVER_STATE_DRAINING: _ClassVar[ServerState]
    SERVER_STATE_FAILED: _ClassVar[ServerState]

class ResourceLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESOURCE_LEVEL_UNSPECIFIED: _ClassVar[ResourceLevel]
    RESOURCE_LEVEL_OK: _ClassVar[ResourceLevel]
    RESOURCE_LEVEL_WARNING: _ClassVar[ResourceLevel]
    RESOURCE_LEVEL_REFUSING: _ClassVar[ResourceLevel]
SERVER_STATE_UNSPECIFIED: ServerState
SERVER_STATE_REPLAYING: ServerState
SERVER_STATE_SERVING: ServerState
SERVER_STATE_DRAINING: ServerState
SERVER_STATE_FAILED: ServerState
RESOURCE_LEVEL_UNSPECIFIED: ResourceLevel
RESOURCE_LEVEL_OK: ResourceLevel
RESOURCE_LEVEL_WARNING: ResourceLevel
RESOURCE_LEVEL_REFUSING: ResourceLevel

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: ServerStatus
    def __init__(self, status: _Optional[_Union[ServerStatus, _Mapping]] = ...) -> None: ...

class WatchStatusRequest(_message.Message):
    __slots__ = ("interval",)
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    interval: _duration_pb2.Duration
    def __init__(self, interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchStatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: ServerStatus
    def __init__(self, status: _Optional[_Union[ServerStatus, _Mapping]] = ...) -> None: ...

class ServerStatus(_message.Message):
    __slots__ = ("state", "version", "started_at", "spaces", "active_sessions", "lanes", "workers", "journal", "pressure", "observations_total", "rejections_total", "refusals_total", "recalls_total", "unindexed", "observations", "memory_bytes", "replay", "checkpoint", "memory", "dead_rows", "index_policies")
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    LANES_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_FIELD_NUMBER: _ClassVar[int]
    PRESSURE_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RECALLS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    UNINDEXED_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    DEAD_ROWS_FIELD_NUMBER: _ClassVar[int]
    INDEX_POLICIES_FIELD_NUMBER: _ClassVar[int]
    state: ServerState
    version: str
    started_at: _timestamp_pb2.Timestamp
    spaces: int
    active_sessions: int
    lanes: _containers.RepeatedCompositeFieldContainer[LaneStatus]
    workers: _containers.RepeatedCompositeFieldContainer[WorkerStatus]
    journal: JournalStatus
    pressure: float
    observations_total: int
    rejections_total: int
    refusals_total: int
    recalls_total: int
    unindexed: int
    observations: int
    memory_bytes: int
    replay: ReplayStatus
    checkpoint: CheckpointStatus
    memory: MemoryStatus
    dead_rows: int
    index_policies: _containers.RepeatedCompositeFieldContainer[IndexPolicyStatus]
    def __init__(self, state: _Optional[_Union[ServerState, str]] = ..., version: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., spaces: _Optional[int] = ..., active_sessions: _Optional[int] = ..., lanes: _Optional[_Iterable[_Union[LaneStatus, _Mapping]]] = ..., workers: _Optional[_Iterable[_Union[WorkerStatus, _Mapping]]] = ..., journal: _Optional[_Union[JournalStatus, _Mapping]] = ..., pressure: _Optional[float] = ..., observations_total: _Optional[int] = ..., rejections_total: _Optional[int] = ..., refusals_total: _Optional[int] = ..., recalls_total: _Optional[int] = ..., unindexed: _Optional[int] = ..., observations: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., replay: _Optional[_Union[ReplayStatus, _Mapping]] = ..., checkpoint: _Optional[_Union[CheckpointStatus, _Mapping]] = ..., memory: _Optional[_Union[MemoryStatus, _Mapping]] = ..., dead_rows: _Optional[int] = ..., index_policies: _Optional[_Iterable[_Union[IndexPolicyStatus, _Mapping]]] = ...) -> None: ...

class MemoryStatus(_message.Message):
    __slots__ = ("level", "used", "budget", "limit", "rows", "ids", "codes", "graphs", "filters", "rest", "queue")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    GRAPHS_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    REST_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    level: ResourceLevel
    used: int
    budget: int
    limit: int
    rows: int
    ids: int
    codes: int
    graphs: int
    filters: int
    rest: int
    queue: int
    def __init__(self, level: _Optional[_Union[ResourceLevel, str]] = ..., used: _Optional[int] = ..., budget: _Optional[int] = ..., limit: _Optional[int] = ..., rows: _Optional[int] = ..., ids: _Optional[int] = ..., codes: _Optional[int] = ..., graphs: _Optional[int] = ..., filters: _Optional[int] = ..., rest: _Optional[int] = ..., queue: _Optional[int] = ...) -> None: ...

class IndexPolicyStatus(_message.Message):
    __slots__ = ("policy", "spaces", "time_in_force")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    TIME_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    policy: _space_pb2.IndexPolicy
    spaces: int
    time_in_force: _duration_pb2.Duration
    def __init__(self, policy: _Optional[_Union[_space_pb2.IndexPolicy, str]] = ..., spaces: _Optional[int] = ..., time_in_force: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class LaneStatus(_message.Message):
    __slots__ = ("priority", "depth", "capacity", "bytes", "capacity_bytes", "reserved")
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    priority: _observation_pb2.Priority
    depth: int
    capacity: int
    bytes: int
    capacity_bytes: int
    reserved: int
    def __init__(self, priority: _Optional[_Union[_observation_pb2.Priority, str]] = ..., depth: _Optional[int] = ..., capacity: _Optional[int] = ..., bytes: _Optional[int] = ..., capacity_bytes: _Optional[int] = ..., reserved: _Optional[int] = ...) -> None: ...

class WorkerStatus(_message.Message):
    __slots__ = ("worker_id", "utilization", "batches", "stolen", "panics")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    UTILIZATION_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    STOLEN_FIELD_NUMBER: _ClassVar[int]
    PANICS_FIELD_NUMBER: _ClassVar[int]
    worker_id: int
    utilization: float
    batches: int
    stolen: int
    panics: int
    def __init__(self, worker_id: _Optional[int] = ..., utilization: _Optional[float] = ..., batches: _Optional[int] = ..., stolen: _Optional[int] = ..., panics: _Optional[int] = ...) -> None: ...

class JournalStatus(_message.Message):
    __slots__ = ("bytes", "segments", "durable_position", "commits", "disk_free_bytes", "failure", "disk_level", "disk_total_bytes")
    BYTES_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    DURABLE_POSITION_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    DISK_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    DISK_LEVEL_FIELD_NUMBER: _ClassVar[int]
    DISK_TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    segments: int
    durable_position: int
    commits: int
    disk_free_bytes: int
    failure: str
    disk_level: ResourceLevel
    disk_total_bytes: int
    def __init__(self, bytes: _Optional[int] = ..., segments: _Optional[int] = ..., durable_position: _Optional[int] = ..., commits: _Optional[int] = ..., disk_free_bytes: _Optional[int] = ..., failure: _Optional[str] = ..., disk_level: _Optional[_Union[ResourceLevel, str]] = ..., disk_total_bytes: _Optional[int] = ...) -> None: ...

class ReplayStatus(_message.Message):
    __slots__ = ("position", "total")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    position: int
    total: int
    def __init__(self, position: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class CheckpointStatus(_message.Message):
    __slots__ = ("catalog", "created_at", "age", "position", "tail_bytes", "damage", "failure", "asleep_spaces")
    CATALOG_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TAIL_BYTES_FIELD_NUMBER: _ClassVar[int]
    DAMAGE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ASLEEP_SPACES_FIELD_NUMBER: _ClassVar[int]
    catalog: int
    created_at: _timestamp_pb2.Timestamp
    age: _duration_pb2.Duration
    position: int
    tail_bytes: int
    damage: _containers.RepeatedScalarFieldContainer[str]
    failure: str
    asleep_spaces: int
    def __init__(self, catalog: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., position: _Optional[int] = ..., tail_bytes: _Optional[int] = ..., damage: _Optional[_Iterable[str]] = ..., failure: _Optional[str] = ..., asleep_spaces: _Optional[int] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ("space", "page_size", "page_token")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    space: str
    page_size: int
    page_token: str
    def __init__(self, space: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions", "next_page_token")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[SessionInfo]
    next_page_token: str
    def __init__(self, sessions: _Optional[_Iterable[_Union[SessionInfo, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SessionInfo(_message.Message):
    __slots__ = ("session_id", "space", "state", "attached", "priority", "next_sequence", "durable_sequence", "visible_sequence", "credits", "last_used_at", "accepted", "rejected", "refused", "duplicates")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DURABLE_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    VISIBLE_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_AT_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    space: str
    state: _session_pb2.SessionState
    attached: bool
    priority: _observation_pb2.Priority
    next_sequence: int
    durable_sequence: int
    visible_sequence: int
    credits: _session_pb2.Credits
    last_used_at: _timestamp_pb2.Timestamp
    accepted: int
    rejected: int
    refused: int
    duplicates: int
    def __init__(self, session_id: _Optional[str] = ..., space: _Optional[str] = ..., state: _Optional[_Union[_session_pb2.SessionState, str]] = ..., attached: bool = ..., priority: _Optional[_Union[_observation_pb2.Priority, str]] = ..., next_sequence: _Optional[int] = ..., durable_sequence: _Optional[int] = ..., visible_sequence: _Optional[int] = ..., credits: _Optional[_Union[_session_pb2.Credits, _Mapping]] = ..., last_used_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., accepted: _Optional[int] = ..., rejected: _Optional[int] = ..., refused: _Optional[int] = ..., duplicates: _Optional[int] = ...) -> None: ...

class CloseSessionRequest(_message.Message):
    __slots__ = ("session_id", "reason")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    reason: str
    def __init__(self, session_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class CloseSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: SessionInfo
    def __init__(self, session: _Optional[_Union[SessionInfo, _Mapping]] = ...) -> None: ...

class CheckpointRequest(_message.Message):
    __slots__ = ("erase",)
    ERASE_FIELD_NUMBER: _ClassVar[int]
    erase: bool
    def __init__(self, erase: bool = ...) -> None: ...

class CheckpointResponse(_message.Message):
    __slots__ = ("catalog", "position", "spaces", "bytes", "took")
    CATALOG_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    TOOK_FIELD_NUMBER: _ClassVar[int]
    catalog: int
    position: int
    spaces: int
    bytes: int
    took: _duration_pb2.Duration
    def __init__(self, catalog: _Optional[int] = ..., position: _Optional[int] = ..., spaces: _Optional[int] = ..., bytes: _Optional[int] = ..., took: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class BackupRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BackupResponse(_message.Message):
    __slots__ = ("begin", "chunk", "end")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    begin: BackupBegin
    chunk: BackupChunk
    end: BackupEnd
    def __init__(self, begin: _Optional[_Union[BackupBegin, _Mapping]] = ..., chunk: _Optional[_Union[BackupChunk, _Mapping]] = ..., end: _Optional[_Union[BackupEnd, _Mapping]] = ...) -> None: ...

class BackupBegin(_message.Message):
    __slots__ = ("catalog", "catalog_number", "files", "bytes", "position")
    CATALOG_FIELD_NUMBER: _ClassVar[int]
    CATALOG_NUMBER_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    catalog: bytes
    catalog_number: int
    files: int
    bytes: int
    position: int
    def __init__(self, catalog: _Optional[bytes] = ..., catalog_number: _Optional[int] = ..., files: _Optional[int] = ..., bytes: _Optional[int] = ..., position: _Optional[int] = ...) -> None: ...

class BackupChunk(_message.Message):
    __slots__ = ("file", "offset", "data")
    FILE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    file: int
    offset: int
    data: bytes
    def __init__(self, file: _Optional[int] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class BackupEnd(_message.Message):
    __slots__ = ("files", "bytes")
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    files: int
    bytes: int
    def __init__(self, files: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...
