from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Filter(_message.Message):
    __slots__ = ("all", "any", "none")
    ALL_FIELD_NUMBER: _ClassVar[int]
    ANY_FIELD_NUMBER: _ClassVar[int]
    NONE_FIELD_NUMBER: _ClassVar[int]
    all: _containers.RepeatedCompositeFieldContainer[FilterClause]
    any: _containers.RepeatedCompositeFieldContainer[FilterClause]
    none: _containers.RepeatedCompositeFieldContainer[FilterClause]
    def __init__(self, all: _Optional[_Iterable[_Union[FilterClause, _Mapping]]] = ..., any: _Optional[_Iterable[_Union[FilterClause, _Mapping]]] = ..., none: _Optional[_Iterable[_Union[FilterClause, _Mapping]]] = ...) -> None: ...

class FilterClause(_message.Message):
    __slots__ = ("key", "equals", "range", "exists")
    KEY_FIELD_NUMBER: _ClassVar[int]
    EQUALS_FIELD_NUMBER: _ClassVar[int]
    IN_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    key: str
    equals: _struct_pb2.Value
    range: FilterRange
    exists: bool
    def __init__(self, key: _Optional[str] = ..., equals: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., range: _Optional[_Union[FilterRange, _Mapping]] = ..., exists: bool = ..., **kwargs) -> None: ...

class FilterRange(_message.Message):
    __slots__ = ("min", "max", "min_exclusive", "max_exclusive")
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    MIN_EXCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    MAX_EXCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    min: _struct_pb2.Value
    max: _struct_pb2.Value
    min_exclusive: bool
    max_exclusive: bool
    def __init__(self, min: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., max: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., min_exclusive: bool = ..., max_exclusive: bool = ...) -> None: ...
