package main

import (
	"math"
	"slices"
)

// figures is what one measurement gives: what a contestant's process prints,
// as JSON.
type figures struct {
	Inserts float64  `json:"inserts"` // rows per second of processor time
	Bytes   float64  `json:"bytes"`   // memory a row
	Points  []point  `json:"points"`  // ef by ef, ascending
	Ingest  []ingest `json:"ingest"`
}

// point is what a search width gives.
type point struct {
	Ef     int     `json:"ef"`
	Recall float64 `json:"recall"` // @10
	QPS    float64 `json:"qps"`    // queries per second of processor time
}

// ingest is how recalls fared beside inserts.
type ingest struct {
	How     string  `json:"how"`
	Rate    float64 `json:"rate"` // rows inserted a second, by the clock
	P50     float64 `json:"p50"`  // of a recall, ms
	P99     float64 `json:"p99"`
	Recalls int     `json:"recalls"`
}

// at gives the queries per second at a recall, between the two widths around
// it (on a logarithmic scale); how much recall the narrowest width has, if that
// is more already; and whether the recall was reached.
func (f *figures) at(recall float64) (qps float64, narrowest float64, ok bool) {
	for i, p := range f.Points {
		if p.Recall < recall {
			continue
		}
		if i == 0 {
			return p.QPS, p.Recall, true
		}
		before := f.Points[i-1]
		share := (recall - before.Recall) / (p.Recall - before.Recall)
		return math.Exp((1-share)*math.Log(before.QPS) + share*math.Log(p.QPS)), 0, true
	}
	return 0, 0, false
}

// ef is the narrowest width measured that has the recall; 0 if none has.
func (f *figures) ef(recall float64) int {
	for _, p := range f.Points {
		if p.Recall >= recall {
			return p.Ef
		}
	}
	return 0
}

// rounds are a contestant's figures on one data set.
type rounds []figures

// each collects one number of every round that has it, in order.
func (r rounds) each(of func(*figures) (float64, bool)) []float64 {
	var v []float64
	for i := range r {
		if x, ok := of(&r[i]); ok {
			v = append(v, x)
		}
	}
	slices.Sort(v)
	return v
}

// median of the rounds; 0 if no round has the number.
func (r rounds) median(of func(*figures) (float64, bool)) float64 {
	v := r.each(of)
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func inserts(f *figures) (float64, bool) { return f.Inserts, true }
func bytes(f *figures) (float64, bool)   { return f.Bytes, true }

func qps(recall float64) func(*figures) (float64, bool) {
	return func(f *figures) (float64, bool) {
		q, _, ok := f.at(recall)
		return q, ok
	}
}

// fewest recalls that have a 99th percentile worth the name.
const fewest = 100

// p99 is that of way i of inserting beside recalls.
func p99(i int) func(*figures) (float64, bool) {
	return func(f *figures) (float64, bool) {
		if i >= len(f.Ingest) || f.Ingest[i].Recalls < fewest {
			return 0, false
		}
		return f.Ingest[i].P99, true
	}
}

// beside is a number of way i of inserting beside recalls.
func beside(i int, of func(ingest) float64) func(*figures) (float64, bool) {
	return func(f *figures) (float64, bool) {
		if i >= len(f.Ingest) {
			return 0, false
		}
		return of(f.Ingest[i]), true
	}
}
