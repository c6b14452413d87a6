"""Generated from proto/engram/v1 by `make generate`. Do not edit."""
