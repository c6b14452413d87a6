// Package telemetry holds the names of the stages an observation passes, the
// small interfaces through which the engine reports what it did, and the
// metrics behind them.
//
// It stands on the ground floor (F0) and sets nothing up: the OpenTelemetry
// SDK and the Prometheus registry are made in package server.
package telemetry
