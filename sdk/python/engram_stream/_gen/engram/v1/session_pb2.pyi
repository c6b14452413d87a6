import datetime

from . import observation_pb2 as _observation_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AckLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACK_LEVEL_UNSPECIFIED: _ClassVar[AckLevel]
    ACK_LEVEL_ACCEPTED: _ClassVar[AckLevel]
    ACK_LEVEL_DURABLE: _ClassVar[AckLevel]
    ACK_LEVEL_VISIBLE: _ClassVar[AckLevel]
    ACK_LEVEL_INDEXED: _ClassVar[AckLevel]

class FlowAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FLOW_ACTION_UNSPECIFIED: _ClassVar[FlowAction]
    FLOW_ACTION_PAUSE: _ClassVar[FlowAction]
    FLOW_ACTION_RESUME: _ClassVar[FlowAction]
    FLOW_ACTION_SLOW_DOWN: _ClassVar[FlowAction]
    FLOW_ACTION_SPEED_UP: _ClassVar[FlowAction]
    FLOW_ACTION_BUFFER_STATUS: _ClassVar[FlowAction]

class SessionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SESSION_STATE_UNSPECIFIED: _ClassVar[SessionState]
    SESSION_STATE_ACTIVE: _ClassVar[SessionState]
    SESSION_STATE_PAUSED: _ClassVar[SessionState]
    SESSION_STATE_WARNING: _ClassVar[SessionState]
    SESSION_STATE_BACKPRESSURE: _ClassVar[SessionState]
    SESSION_STATE_OVERLOADED: _ClassVar[SessionState]
    SESSION_STATE_ERROR: _ClassVar[SessionState]
    SESSION_STATE_DRAINING: _ClassVar[SessionState]
    SESSION_STATE_CLOSED: _ClassVar[SessionState]
ACK_LEVEL_UNSPECIFIED: AckLevel
ACK_LEVEL_ACCEPTED: AckLevel
ACK_LEVEL_DURABLE: AckLevel
ACK_LEVEL_VISIBLE: AckLevel
ACK_LEVEL_INDEXED: AckLevel
FLOW_ACTION_UNSPECIFIED: FlowAction
FLOW_ACTION_PAUSE: FlowAction
FLOW_ACTION_RESUME: FlowAction
FLOW_ACTION_SLOW_DOWN: FlowAction
FLOW_ACTION_SPEED_UP: FlowAction
FLOW_ACTION_BUFFER_STATUS: FlowAction
SESSION_STATE_UNSPECIFIED: SessionState
SESSION_STATE_ACTIVE: SessionState
SESSION_STATE_PAUSED: SessionState
SESSION_STATE_WARNING: SessionState
SESSION_STATE_BACKPRESSURE: SessionState
SESSION_STATE_OVERLOADED: SessionState
SESSION_STATE_ERROR: SessionState
SESSION_STATE_DRAINING: SessionState
SESSION_STATE_CLOSED: SessionState

class SessionInit(_message.Message):
    __slots__ = ("space", "must_exist", "session_id", "priority", "client_buffer_size", "max_batch_size", "ack_levels")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    MUST_EXIST_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    CLIENT_BUFFER_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    ACK_LEVELS_FIELD_NUMBER: _ClassVar[int]
    space: str
    must_exist: bool
    session_id: str
    priority: _observation_pb2.Priority
    client_buffer_size: int
    max_batch_size: int
    ack_levels: _containers.RepeatedScalarFieldContainer[AckLevel]
    def __init__(self, space: _Optional[str] = ..., must_exist: bool = ..., session_id: _Optional[str] = ..., priority: _Optional[_Union[_observation_pb2.Priority, str]] = ..., client_buffer_size: _Optional[int] = ..., max_batch_size: _Optional[int] = ..., ack_levels: _Optional[_Iterable[_Union[AckLevel, str]]] = ...) -> None: ...

class ObservationBatch(_message.Message):
    __slots__ = ("first_sequence", "observations")
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    first_sequence: int
    observations: _containers.RepeatedCompositeFieldContainer[_observation_pb2.Observation]
    def __init__(self, first_sequence: _Optional[int] = ..., observations: _Optional[_Iterable[_Union[_observation_pb2.Observation, _Mapping]]] = ...) -> None: ...

class FlowControl(_message.Message):
    __slots__ = ("action", "buffer_remaining", "preferred_rate", "reason")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    BUFFER_REMAINING_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_RATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    action: FlowAction
    buffer_remaining: int
    preferred_rate: int
    reason: str
    def __init__(self, action: _Optional[_Union[FlowAction, str]] = ..., buffer_remaining: _Optional[int] = ..., preferred_rate: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class SessionClose(_message.Message):
    __slots__ = ("drain", "last_sequence")
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    drain: bool
    last_sequence: int
    def __init__(self, drain: bool = ..., last_sequence: _Optional[int] = ...) -> None: ...

class Credits(_message.Message):
    __slots__ = ("through_sequence", "bytes")
    THROUGH_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    through_sequence: int
    bytes: int
    def __init__(self, through_sequence: _Optional[int] = ..., bytes: _Optional[int] = ...) -> None: ...

class InitAck(_message.Message):
    __slots__ = ("session_id", "resumed", "next_sequence", "durable_sequence", "capabilities", "credits", "dimension", "max_batch_size")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DURABLE_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    resumed: bool
    next_sequence: int
    durable_sequence: int
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    credits: Credits
    dimension: int
    max_batch_size: int
    def __init__(self, session_id: _Optional[str] = ..., resumed: bool = ..., next_sequence: _Optional[int] = ..., durable_sequence: _Optional[int] = ..., capabilities: _Optional[_Iterable[str]] = ..., credits: _Optional[_Union[Credits, _Mapping]] = ..., dimension: _Optional[int] = ..., max_batch_size: _Optional[int] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("status", "through_sequence", "generation", "credits")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    THROUGH_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    status: AckLevel
    through_sequence: int
    generation: int
    credits: Credits
    def __init__(self, status: _Optional[_Union[AckLevel, str]] = ..., through_sequence: _Optional[int] = ..., generation: _Optional[int] = ..., credits: _Optional[_Union[Credits, _Mapping]] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("sequence", "observation_id", "reason", "message")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    OBSERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    observation_id: str
    reason: str
    message: str
    def __init__(self, sequence: _Optional[int] = ..., observation_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("expected_sequence", "reason", "message", "retry_after", "credits")
    EXPECTED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    expected_sequence: int
    reason: str
    message: str
    retry_after: _duration_pb2.Duration
    credits: Credits
    def __init__(self, expected_sequence: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., credits: _Optional[_Union[Credits, _Mapping]] = ...) -> None: ...

class SessionStatus(_message.Message):
    __slots__ = ("state", "cause", "queue_depth", "queue_capacity", "pressure", "retry_after", "suggested_batch_size", "credits")
    STATE_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_DEPTH_FIELD_NUMBER: _ClassVar[int]
    QUEUE_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    PRESSURE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    SUGGESTED_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    state: SessionState
    cause: str
    queue_depth: int
    queue_capacity: int
    pressure: float
    retry_after: _duration_pb2.Duration
    suggested_batch_size: int
    credits: Credits
    def __init__(self, state: _Optional[_Union[SessionState, str]] = ..., cause: _Optional[str] = ..., queue_depth: _Optional[int] = ..., queue_capacity: _Optional[int] = ..., pressure: _Optional[float] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., suggested_batch_size: _Optional[int] = ..., credits: _Optional[_Union[Credits, _Mapping]] = ...) -> None: ...

class GoAway(_message.Message):
    __slots__ = ("reason", "resumable", "resume_after")
    REASON_FIELD_NUMBER: _ClassVar[int]
    RESUMABLE_FIELD_NUMBER: _ClassVar[int]
    RESUME_AFTER_FIELD_NUMBER: _ClassVar[int]
    reason: str
    resumable: bool
    resume_after: _duration_pb2.Duration
    def __init__(self, reason: _Optional[str] = ..., resumable: bool = ..., resume_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Closed(_message.Message):
    __slots__ = ("final_sequence", "accepted", "rejected", "refused", "duplicates")
    FINAL_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    final_sequence: int
    accepted: int
    rejected: int
    refused: int
    duplicates: int
    def __init__(self, final_sequence: _Optional[int] = ..., accepted: _Optional[int] = ..., rejected: _Optional[int] = ..., refused: _Optional[int] = ..., duplicates: _Optional[int] = ...) -> None: ...
