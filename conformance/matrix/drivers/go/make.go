package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// recipe says how observations are made from their numbers.
type recipe struct {
	Dimension int
	Seed      int
	IDs       string
	Content   string
	Full      bool
	Set       changes
}

// changes are what is different from the formula.
type changes struct {
	ID            *string
	Content       *string
	ContentBytes  *int `json:"content_bytes"`
	Vector        json.RawMessage
	HalfPrecision *bool `json:"half_precision"`
	Replace       *bool
	Confidence    *float32
}

func standard() recipe { return recipe{Dimension: 8, IDs: "o-", Content: "note "} }

// UnmarshalJSON puts the defaults below what is given.
func (r *recipe) UnmarshalJSON(b []byte) error {
	type plain recipe
	p := plain(standard())
	err := json.Unmarshal(b, &p)
	*r = recipe(p)
	return err
}

// orStandard is the recipe of a step that has none.
func (r recipe) orStandard() recipe {
	if r.Dimension == 0 && r.Seed == 0 && r.IDs == "" && r.Content == "" && !r.Full {
		return standard()
	}
	return r
}

// vector gives the formula's vector; nil where there is to be none.
func (r recipe) vector(n int) []float32 {
	r = r.orStandard()
	if r.Dimension == 0 {
		return nil
	}
	v := make([]float32, r.Dimension)
	for j := range v {
		v[j] = float32((31*n+17*j+7*r.Seed+(n%89)*(j%13))%101-50) / 64
	}
	return v
}

// one makes observation number n.
func (r recipe) one(n int) engram.Observation {
	r = r.orStandard()
	o := engram.Observation{Vector: r.vector(n), Metadata: object{"n": n, "odd": n%2 == 1, "tag": "t" + strconv.Itoa(n%3)}}
	if r.IDs != "" {
		o.ID = r.IDs + strconv.Itoa(n)
	}
	if r.Content != "" {
		o.Content = r.Content + strconv.Itoa(n)
	}
	if r.Full {
		o.ObservedAt = time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC)
		o.Confidence = engram.Confidence(float32(n%9) / 8)
		o.Importance = float32(n%5) / 4
		o.EmotionalValence = float32(n%5)/2 - 1
		o.DecayRate = float32(n%3) / 4
		o.Context = engram.Context{Location: fmt.Sprintf("room %d", n%4), Participants: []string{"ann", fmt.Sprintf("p%d", n)}, Reason: fmt.Sprintf("why %d", n), Method: "said"}
	}
	r.Set.apply(&o)
	return o
}

func (c changes) apply(o *engram.Observation) {
	if c.ID != nil {
		o.ID = *c.ID
	}
	if c.Content != nil {
		o.Content = *c.Content
	}
	if c.ContentBytes != nil {
		o.Content = strings.Repeat("x", *c.ContentBytes)
	}
	if c.HalfPrecision != nil {
		o.HalfPrecision = *c.HalfPrecision
	}
	if c.Replace != nil {
		o.Replace = *c.Replace
	}
	if c.Confidence != nil {
		o.Confidence = c.Confidence
	}
	switch {
	case c.Vector == nil:
	case bytes.Equal(c.Vector, []byte(`"nan"`)):
		o.Vector[0] = float32(math.NaN())
	case bytes.Equal(c.Vector, []byte(`"inf"`)):
		o.Vector[0] = float32(math.Inf(1))
	default:
		o.Vector = nil
		if err := json.Unmarshal(c.Vector, &o.Vector); err != nil {
			panic(fmt.Sprintf("the script sets the vector to %s: %v", c.Vector, err))
		}
	}
}
