package telemetry

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// otherSpaces is the label of the spaces beyond the limit.
const otherSpaces = "other"

// factory makes collectors and registers them.
type factory struct{ reg prometheus.Registerer }

func (f factory) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.reg.MustRegister(c)
	return c
}

func (f factory) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	f.reg.MustRegister(g)
	return g
}

func (f factory) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
	}, labels)
	f.reg.MustRegister(h)
	return h
}

// series are the collectors of one space, looked up once.
type series struct {
	label        string
	observations [LaneCount]prometheus.Counter
	latency      prometheus.Observer
	visibility   prometheus.Observer
	recall       prometheus.Observer
}

// spaceSeries hands out the series of spaces, and bounds how many have their
// own.
type spaceSeries struct {
	limit int

	observations *prometheus.CounterVec
	latency      *prometheus.HistogramVec
	visibility   *prometheus.HistogramVec
	recall       *prometheus.HistogramVec
	activated    *prometheus.CounterVec

	mu    sync.RWMutex
	own   map[string]*series
	other *series
}

func newSpaceSeries(f factory, limit int) *spaceSeries {
	s := &spaceSeries{
		limit:        limit,
		own:          map[string]*series{},
		observations: f.counter("observations_total", "Observations that became visible.", "memory_space", "priority"),
		latency:      f.histogram("observation_latency_seconds", "From the receipt of an observation to its being visible.", latencyBuckets, "memory_space"),
		visibility:   f.histogram("visibility_latency_seconds", "From an observation being durable to its being visible.", latencyBuckets, "memory_space"),
		recall:       f.histogram("recall_latency_seconds", "From the arrival of a recall to its answer.", recallBuckets, "memory_space"),
		activated:    f.counter("backpressure_activations_total", "Times pressure was raised, by the level reached.", "memory_space", "level"),
	}
	s.other = s.make(otherSpaces)
	return s
}

func (s *spaceSeries) make(label string) *series {
	out := &series{
		label: label, latency: s.latency.WithLabelValues(label), visibility: s.visibility.WithLabelValues(label), recall: s.recall.WithLabelValues(label),
	}
	for l := range out.observations {
		out.observations[l] = s.observations.WithLabelValues(label, LaneName(l))
	}
	return out
}

// of returns the series of a space: its own, or those of all others.
func (s *spaceSeries) of(space string) *series {
	s.mu.RLock()
	found, full := s.own[space], len(s.own) >= s.limit
	s.mu.RUnlock()
	switch {
	case found != nil:
		return found
	case full:
		return s.other
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.own[space]; found != nil {
		return found
	}
	if len(s.own) >= s.limit {
		return s.other
	}
	made := s.make(space)
	s.own[space] = made
	return made
}

// activations counts a rise of pressure for every space that is seen by name:
// lanes are shared, so it concerns them all.
func (s *spaceSeries) activations(_ int, level string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for id := range s.own {
		s.activated.WithLabelValues(id, level).Inc()
	}
	s.activated.WithLabelValues(otherSpaces, level).Inc()
}

// drop removes the series of a deleted space.
func (s *spaceSeries) drop(space string) (label string, own bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own[space] == nil {
		return otherSpaces, false
	}
	delete(s.own, space)
	match := prometheus.Labels{"memory_space": space}
	s.observations.DeletePartialMatch(match)
	s.latency.DeletePartialMatch(match)
	s.visibility.DeletePartialMatch(match)
	s.recall.DeletePartialMatch(match)
	s.activated.DeletePartialMatch(match)
	return space, true
}
