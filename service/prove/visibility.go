package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// seeing measures how long what is DURABLE stays unseen: from the moment a
// client hears the ack to the moment its recall has found the observation. A
// round trip is part of it, so it is an upper bound.
func seeing(r *report, s *server, quick bool) error {
	span := 10 * time.Second
	if quick {
		span = time.Second
	}
	c, err := dial(s)
	if err != nil {
		return err
	}
	defer c.Close()
	top, err := saturation(c, span/2)
	if err != nil {
		return err
	}
	r.linef("\n## From DURABLE to found, over the wire, 128-d\n")
	r.linef("Saturation is what one stream reaches into a fresh space in %v, client included: %.0f observations/s. Every 50th observation or so is asked for at once when its DURABLE ack is heard, until recall finds it. The p99 of the journal's fsync is of the whole run.\n", span/2, top)
	r.linef("| load | asked for | p50 | p99 | max | fsync p99 |")
	r.linef("|---|---|---|---|---|---|")
	for _, load := range []struct {
		name string
		rate float64
	}{{"half", top / 2}, {"flat out", math.Inf(1)}} {
		took, err := visibility(c, "seen-"+strings.ReplaceAll(load.name, " ", "-"), load.rate, span)
		if err != nil {
			return err
		}
		slices.Sort(took)
		at := func(q float64) string {
			return fmt.Sprintf("%.2f ms", float64(took[min(len(took)-1, int(q*float64(len(took))))].Microseconds())/1000)
		}
		r.linef("| %s | %d | %s | %s | %s | %s |", load.name, len(took), at(.5), at(.99), at(1), fsync(s, .99))
	}
	return nil
}

// saturation is what one stream reaches, in observations per second.
func saturation(c *engram.Client, span time.Duration) (float64, error) {
	ctx := context.Background()
	sess, err := c.OpenSession(ctx, "saturated", engram.WithBatching(256, 1<<20, 2*time.Millisecond))
	if err != nil {
		return 0, err
	}
	data := vectors(20_000, 128)
	began, n := time.Now(), 0
	for ; time.Since(began) < span; n++ {
		if _, err := sess.Observe(ctx, engram.Observation{Vector: data[n%len(data)]}); err != nil {
			return 0, err
		}
	}
	if err := sess.Flush(ctx); err != nil {
		return 0, err
	}
	rate := float64(n) / time.Since(began).Seconds()
	if _, err := sess.Close(ctx); err != nil {
		return 0, err
	}
	_, err = c.DeleteSpace(ctx, "saturated")
	return rate, err
}

// visibility streams at a rate and asks for samples as soon as they are
// DURABLE.
func visibility(c *engram.Client, space string, rate float64, span time.Duration) ([]time.Duration, error) {
	ctx := context.Background()
	type ack struct {
		through uint64
		at      time.Time
	}
	acks := make(chan ack, 1<<16)
	sess, err := c.OpenSession(ctx, space, engram.WithBatching(256, 1<<20, 2*time.Millisecond), engram.OnAck(func(l engram.Level, through, _ uint64) {
		if l == engram.Durable {
			select {
			case acks <- ack{through, time.Now()}:
			default: // the askers are behind: a sample less
			}
		}
	}))
	if err != nil {
		return nil, err
	}
	data := vectors(20_000, 128)
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var asking sync.WaitGroup
	for range 4 {
		asking.Add(1)
		go func() {
			defer asking.Done()
			for a := range acks {
				if time.Since(a.at) > 5*time.Millisecond {
					continue // waited here: what would be measured is this program
				}
				id := fmt.Sprintf("%s-%d", space, a.through)
				cue := marked(data, a.through)
				for {
					found, err := c.Recall(ctx, space, engram.ByVector(cue), engram.Limit(1))
					if err != nil || (len(found.Results) > 0 && found.Results[0].Observation.ID == id) {
						mu.Lock()
						took, failed = append(took, time.Since(a.at)), errors.Join(failed, err)
						mu.Unlock()
						break
					}
				}
			}
		}()
	}
	began := time.Now()
	for n := uint64(1); time.Since(began) < span; n++ {
		if !math.IsInf(rate, 1) {
			if wait := time.Until(began.Add(time.Duration(float64(n) / rate * float64(time.Second)))); wait > time.Millisecond {
				time.Sleep(wait)
			}
		}
		if _, err := sess.Observe(ctx, engram.Observation{ID: fmt.Sprintf("%s-%d", space, n), Vector: marked(data, n)}); err != nil {
			return nil, err
		}
	}
	if err := sess.Flush(ctx); err != nil {
		return nil, err
	}
	if _, err := sess.Close(ctx); err != nil {
		return nil, err
	}
	close(acks)
	asking.Wait()
	if len(took) == 0 {
		failed = errors.Join(failed, errors.New("nothing was asked for"))
	}
	return took, failed
}

// marked is the n-th vector of a stream: none is like another.
func marked(data [][]float32, n uint64) []float32 {
	v := slices.Clone(data[n%uint64(len(data))])
	v[0] += float32(n/uint64(len(data))) + 1
	return v
}

// fsync is a quantile of the journal's fsync since the start, as the server's
// histogram has it: the bound of the bucket it lies in.
func fsync(s *server, q float64) string {
	resp, err := http.Get("http://" + s.addr + "/metrics")
	if err != nil {
		return "?"
	}
	defer resp.Body.Close()
	type bucket struct {
		bound string
		count float64
	}
	var list []bucket
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, rest, ok := strings.Cut(lines.Text(), `le="`)
		if !ok || !strings.Contains(name, "journal_sync_seconds_bucket") {
			continue
		}
		bound, count, _ := strings.Cut(rest, `"}`)
		n, err := strconv.ParseFloat(strings.Fields(count)[0], 64)
		if err != nil {
			return "?"
		}
		list = append(list, bucket{bound, n})
	}
	for _, b := range list {
		if b.count >= q*list[len(list)-1].count {
			if secs, err := strconv.ParseFloat(b.bound, 64); err == nil {
				return fmt.Sprintf("≤ %.1f ms", secs*1000)
			}
		}
	}
	return "?"
}
