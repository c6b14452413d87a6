from . import filter_pb2 as _filter_pb2
from . import observation_pb2 as _observation_pb2
from . import recall_pb2 as _recall_pb2
from . import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ObserveStreamRequest(_message.Message):
    __slots__ = ("init", "observations", "flow_control", "close")
    INIT_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    FLOW_CONTROL_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    init: _session_pb2.SessionInit
    observations: _session_pb2.ObservationBatch
    flow_control: _session_pb2.FlowControl
    close: _session_pb2.SessionClose
    def __init__(self, init: _Optional[_Union[_session_pb2.SessionInit, _Mapping]] = ..., observations: _Optional[_Union[_session_pb2.ObservationBatch, _Mapping]] = ..., flow_control: _Optional[_Union[_session_pb2.FlowControl, _Mapping]] = ..., close: _Optional[_Union[_session_pb2.SessionClose, _Mapping]] = ...) -> None: ...

class ObserveStreamResponse(_message.Message):
    __slots__ = ("init_ack", "ack", "rejection", "refusal", "status", "go_away", "closed")
    INIT_ACK_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GO_AWAY_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    init_ack: _session_pb2.InitAck
    ack: _session_pb2.Ack
    rejection: _session_pb2.Rejection
    refusal: _session_pb2.Refusal
    status: _session_pb2.SessionStatus
    go_away: _session_pb2.GoAway
    closed: _session_pb2.Closed
    def __init__(self, init_ack: _Optional[_Union[_session_pb2.InitAck, _Mapping]] = ..., ack: _Optional[_Union[_session_pb2.Ack, _Mapping]] = ..., rejection: _Optional[_Union[_session_pb2.Rejection, _Mapping]] = ..., refusal: _Optional[_Union[_session_pb2.Refusal, _Mapping]] = ..., status: _Optional[_Union[_session_pb2.SessionStatus, _Mapping]] = ..., go_away: _Optional[_Union[_session_pb2.GoAway, _Mapping]] = ..., closed: _Optional[_Union[_session_pb2.Closed, _Mapping]] = ...) -> None: ...

class MemoryStreamRequest(_message.Message):
    __slots__ = ("init", "observations", "flow_control", "close", "recall")
    INIT_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    FLOW_CONTROL_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    init: _session_pb2.SessionInit
    observations: _session_pb2.ObservationBatch
    flow_control: _session_pb2.FlowControl
    close: _session_pb2.SessionClose
    recall: StreamRecall
    def __init__(self, init: _Optional[_Union[_session_pb2.SessionInit, _Mapping]] = ..., observations: _Optional[_Union[_session_pb2.ObservationBatch, _Mapping]] = ..., flow_control: _Optional[_Union[_session_pb2.FlowControl, _Mapping]] = ..., close: _Optional[_Union[_session_pb2.SessionClose, _Mapping]] = ..., recall: _Optional[_Union[StreamRecall, _Mapping]] = ...) -> None: ...

class StreamRecall(_message.Message):
    __slots__ = ("request_id", "recall")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    recall: _recall_pb2.RecallRequest
    def __init__(self, request_id: _Optional[int] = ..., recall: _Optional[_Union[_recall_pb2.RecallRequest, _Mapping]] = ...) -> None: ...

class MemoryStreamResponse(_message.Message):
    __slots__ = ("init_ack", "ack", "rejection", "refusal", "status", "go_away", "closed", "recall_results")
    INIT_ACK_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GO_AWAY_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    RECALL_RESULTS_FIELD_NUMBER: _ClassVar[int]
    init_ack: _session_pb2.InitAck
    ack: _session_pb2.Ack
    rejection: _session_pb2.Rejection
    refusal: _session_pb2.Refusal
    status: _session_pb2.SessionStatus
    go_away: _session_pb2.GoAway
    closed: _session_pb2.Closed
    recall_results: StreamRecallResults
    def __init__(self, init_ack: _Optional[_Union[_session_pb2.InitAck, _Mapping]] = ..., ack: _Optional[_Union[_session_pb2.Ack, _Mapping]] = ..., rejection: _Optional[_Union[_session_pb2.Rejection, _Mapping]] = ..., refusal: _Optional[_Union[_session_pb2.Refusal, _Mapping]] = ..., status: _Optional[_Union[_session_pb2.SessionStatus, _Mapping]] = ..., go_away: _Optional[_Union[_session_pb2.GoAway, _Mapping]] = ..., closed: _Optional[_Union[_session_pb2.Closed, _Mapping]] = ..., recall_results: _Optional[_Union[StreamRecallResults, _Mapping]] = ...) -> None: ...

class StreamRecallResults(_message.Message):
    __slots__ = ("request_id", "results", "more", "snapshot", "covered_sequence", "error", "stats")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    COVERED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    results: _containers.RepeatedCompositeFieldContainer[_recall_pb2.RecallResult]
    more: bool
    snapshot: _recall_pb2.Snapshot
    covered_sequence: int
    error: StreamRecallError
    stats: _recall_pb2.RecallStats
    def __init__(self, request_id: _Optional[int] = ..., results: _Optional[_Iterable[_Union[_recall_pb2.RecallResult, _Mapping]]] = ..., more: bool = ..., snapshot: _Optional[_Union[_recall_pb2.Snapshot, _Mapping]] = ..., covered_sequence: _Optional[int] = ..., error: _Optional[_Union[StreamRecallError, _Mapping]] = ..., stats: _Optional[_Union[_recall_pb2.RecallStats, _Mapping]] = ...) -> None: ...

class StreamRecallError(_message.Message):
    __slots__ = ("code", "reason", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: str
    message: str
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class ObserveRequest(_message.Message):
    __slots__ = ("space", "session_id", "first_sequence", "observations", "wait_for", "must_exist", "priority")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_FIELD_NUMBER: _ClassVar[int]
    MUST_EXIST_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    space: str
    session_id: str
    first_sequence: int
    observations: _containers.RepeatedCompositeFieldContainer[_observation_pb2.Observation]
    wait_for: _session_pb2.AckLevel
    must_exist: bool
    priority: _observation_pb2.Priority
    def __init__(self, space: _Optional[str] = ..., session_id: _Optional[str] = ..., first_sequence: _Optional[int] = ..., observations: _Optional[_Iterable[_Union[_observation_pb2.Observation, _Mapping]]] = ..., wait_for: _Optional[_Union[_session_pb2.AckLevel, str]] = ..., must_exist: bool = ..., priority: _Optional[_Union[_observation_pb2.Priority, str]] = ...) -> None: ...

class ObserveResponse(_message.Message):
    __slots__ = ("session_id", "next_sequence", "generation", "observation_ids", "rejections", "duplicates")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    OBSERVATION_IDS_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    next_sequence: int
    generation: int
    observation_ids: _containers.RepeatedScalarFieldContainer[str]
    rejections: _containers.RepeatedCompositeFieldContainer[_session_pb2.Rejection]
    duplicates: int
    def __init__(self, session_id: _Optional[str] = ..., next_sequence: _Optional[int] = ..., generation: _Optional[int] = ..., observation_ids: _Optional[_Iterable[str]] = ..., rejections: _Optional[_Iterable[_Union[_session_pb2.Rejection, _Mapping]]] = ..., duplicates: _Optional[int] = ...) -> None: ...

class WatchSessionRequest(_message.Message):
    __slots__ = ("session_id", "ack_levels")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ACK_LEVELS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    ack_levels: _containers.RepeatedScalarFieldContainer[_session_pb2.AckLevel]
    def __init__(self, session_id: _Optional[str] = ..., ack_levels: _Optional[_Iterable[_Union[_session_pb2.AckLevel, str]]] = ...) -> None: ...

class WatchSessionResponse(_message.Message):
    __slots__ = ("init_ack", "ack", "rejection", "status", "go_away", "closed")
    INIT_ACK_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GO_AWAY_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    init_ack: _session_pb2.InitAck
    ack: _session_pb2.Ack
    rejection: _session_pb2.Rejection
    status: _session_pb2.SessionStatus
    go_away: _session_pb2.GoAway
    closed: _session_pb2.Closed
    def __init__(self, init_ack: _Optional[_Union[_session_pb2.InitAck, _Mapping]] = ..., ack: _Optional[_Union[_session_pb2.Ack, _Mapping]] = ..., rejection: _Optional[_Union[_session_pb2.Rejection, _Mapping]] = ..., status: _Optional[_Union[_session_pb2.SessionStatus, _Mapping]] = ..., go_away: _Optional[_Union[_session_pb2.GoAway, _Mapping]] = ..., closed: _Optional[_Union[_session_pb2.Closed, _Mapping]] = ...) -> None: ...

class WatchSpaceRequest(_message.Message):
    __slots__ = ("space", "since_generation", "filter", "include")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    SINCE_GENERATION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    space: str
    since_generation: int
    filter: _filter_pb2.Filter
    include: _observation_pb2.Include
    def __init__(self, space: _Optional[str] = ..., since_generation: _Optional[int] = ..., filter: _Optional[_Union[_filter_pb2.Filter, _Mapping]] = ..., include: _Optional[_Union[_observation_pb2.Include, _Mapping]] = ...) -> None: ...

class WatchSpaceResponse(_message.Message):
    __slots__ = ("observations", "generation")
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    observations: _containers.RepeatedCompositeFieldContainer[_observation_pb2.StoredObservation]
    generation: int
    def __init__(self, observations: _Optional[_Iterable[_Union[_observation_pb2.StoredObservation, _Mapping]]] = ..., generation: _Optional[int] = ...) -> None: ...

class GetObservationsRequest(_message.Message):
    __slots__ = ("space", "ids", "include")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    space: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    include: _observation_pb2.Include
    def __init__(self, space: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ..., include: _Optional[_Union[_observation_pb2.Include, _Mapping]] = ...) -> None: ...

class GetObservationsResponse(_message.Message):
    __slots__ = ("observations", "missing_ids", "generation")
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    MISSING_IDS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    observations: _containers.RepeatedCompositeFieldContainer[_observation_pb2.StoredObservation]
    missing_ids: _containers.RepeatedScalarFieldContainer[str]
    generation: int
    def __init__(self, observations: _Optional[_Iterable[_Union[_observation_pb2.StoredObservation, _Mapping]]] = ..., missing_ids: _Optional[_Iterable[str]] = ..., generation: _Optional[int] = ...) -> None: ...

class ListObservationsRequest(_message.Message):
    __slots__ = ("space", "page_size", "page_token", "since_generation", "filter", "at", "include")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SINCE_GENERATION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FIELD_NUMBER: _ClassVar[int]
    space: str
    page_size: int
    page_token: str
    since_generation: int
    filter: _filter_pb2.Filter
    at: int
    include: _observation_pb2.Include
    def __init__(self, space: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., since_generation: _Optional[int] = ..., filter: _Optional[_Union[_filter_pb2.Filter, _Mapping]] = ..., at: _Optional[int] = ..., include: _Optional[_Union[_observation_pb2.Include, _Mapping]] = ...) -> None: ...

class ListObservationsResponse(_message.Message):
    __slots__ = ("observations", "next_page_token", "generation")
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    observations: _containers.RepeatedCompositeFieldContainer[_observation_pb2.StoredObservation]
    next_page_token: str
    generation: int
    def __init__(self, observations: _Optional[_Iterable[_Union[_observation_pb2.StoredObservation, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., generation: _Optional[int] = ...) -> None: ...

class ForgetRequest(_message.Message):
    __slots__ = ("space", "ids", "filter")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    space: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    filter: _filter_pb2.Filter
    def __init__(self, space: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[_filter_pb2.Filter, _Mapping]] = ...) -> None: ...

class ForgetResponse(_message.Message):
    __slots__ = ("forgotten", "generation")
    FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    forgotten: int
    generation: int
    def __init__(self, forgotten: _Optional[int] = ..., generation: _Optional[int] = ...) -> None: ...
