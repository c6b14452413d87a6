package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

// besideEvery is the time between two recalls beside a stream.
const besideEvery = 10 * time.Millisecond

func (t *told) row(what, rate, cores string) string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |", what, ms(t.Took.at(.5)), ms(t.Took.at(.99)), ms(t.Took.at(1)), t.Inside.pair(), rate, cores)
}

// recalling measures recalls over the wire, at rest and beside streams.
func recalling(r *report, s *server, quick bool) error {
	rows, asks, top, span := 100_000, 2000, 5*time.Second, 10*time.Second
	if quick {
		rows, asks, top, span = 10_000, 200, time.Second, time.Second
	}
	c, err := dial(s)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := context.Background()
	rate, err := saturation(c, top)
	if err != nil {
		return err
	}
	data, cues := vectors(rows, 128), vectors(asks, 128)
	fill := func(space string) (*engram.Session, error) {
		sess, err := c.OpenSession(ctx, space, engram.FlushTo(engram.Indexed), batching())
		if err != nil {
			return nil, err
		}
		for _, v := range data {
			if _, err := sess.Observe(ctx, engram.Observation{Vector: v}); err != nil {
				return nil, err
			}
		}
		return sess, sess.Flush(ctx)
	}
	sess, err := fill("rest")
	if err != nil {
		return err
	}
	r.linef("\n## Recall over the wire, limit 10, %d × 128\n", rows)
	r.linef("Beside a stream, %.0f recalls a second are asked for, each at its time, whether or not those before were answered, by a process of its own, and observations come at theirs: time spent waiting counts. Saturation is what one stream reached into a fresh space just before: %.0f observations/s.\n",
		float64(time.Second)/float64(besideEvery), rate)
	r.linef("| | p50 | p99 | max | in the server, p50 / p99 | observations/s reached | cores of server + client |")
	r.linef("|---|---|---|---|---|---|---|")
	for _, kind := range []struct {
		name string
		opts []engram.RecallOption
	}{{"at rest, through the graph", nil}, {"at rest, exact", []engram.RecallOption{engram.Exact()}}} {
		var list told
		used := coresOf(s)
		for _, v := range cues {
			began := time.Now()
			found, err := c.Recall(ctx, "rest", engram.ByVector(v), kind.opts...)
			if err != nil {
				return err
			}
			list.Took, list.Inside = append(list.Took, time.Since(began)), append(list.Inside, found.Took)
		}
		r.linef("%s", list.row(kind.name, "–", used.taken()))
	}
	for _, slow := range []float64{10_000, 20_000} {
		used := coresOf(s)
		list, reached, err := beside(ctx, s.addr, "rest", sess, data, slow, span)
		if err != nil {
			return err
		}
		cores := used.taken()
		sp, err := c.GetSpace(ctx, "rest")
		if err != nil {
			return err
		}
		r.linef("%s", list.row(fmt.Sprintf("beside a stream of %.0f/s into the same space (%d rows at the end, %d of them scanned)", slow, sp.Observations, sp.Unindexed), fmt.Sprintf("%.0f", reached), cores))
		if err := sess.Flush(ctx); err != nil { // the next row starts with all in the graph
			return err
		}
	}
	if _, err := sess.Close(ctx); err != nil {
		return err
	}
	if err := besideSaturation(ctx, r, s, c, fill, data, .8*rate, span); err != nil {
		return err
	}
	r.linef("\nBeside 80 %% of saturation the space that is asked is one of %d rows that are all in its graph. Where the stream goes into the same space it is measured for a fifth of the time, five times, each time with a new space: it is many times larger after that. The client's cores are those of the load generator, which makes and encodes the observations. They are the server's cores, and the asker's, as well.", rows)
	return nil
}

// besideSaturation asks beside a stream near saturation: into another space, and
// into the one that is asked.
func besideSaturation(ctx context.Context, r *report, s *server, c *engram.Client, fill func(string) (*engram.Session, error), data [][]float32, rate float64, span time.Duration) error {
	const parts = 5
	if _, err := c.DeleteSpace(ctx, "rest"); err != nil {
		return err
	}
	asked, err := fill("asked")
	if err != nil {
		return err
	}
	other, err := c.OpenSession(ctx, "other", batching())
	if err != nil {
		return err
	}
	used := coresOf(s)
	list, reached, err := beside(ctx, s.addr, "asked", other, data, rate, span)
	if err != nil {
		return err
	}
	r.linef("%s", list.row(fmt.Sprintf("beside a stream of 80 %% of saturation (%.0f/s) into another space", rate), fmt.Sprintf("%.0f", reached), used.taken()))
	_, errOther := other.Close(ctx)
	_, errAsked := asked.Close(ctx)
	_, errDrop := c.DeleteSpace(ctx, "other")
	if err := errors.Join(errOther, errAsked, errDrop); err != nil {
		return err
	}
	var all told
	var sum, server, own float64
	rows, scanned := uint64(0), uint64(0)
	for i := range parts {
		name := fmt.Sprintf("same-%d", i)
		sess, err := fill(name)
		if err != nil {
			return err
		}
		began, serverCPU, ownUsed := time.Now(), s.cpu(), ownCPU()
		part, reached, err := beside(ctx, s.addr, name, sess, data, rate, span/parts)
		if err != nil {
			return err
		}
		took := time.Since(began).Seconds()
		server, own = server+(s.cpu()-serverCPU).Seconds()/took/parts, own+(ownCPU()-ownUsed).Seconds()/took/parts
		sum += reached / parts
		sp, err := c.GetSpace(ctx, name)
		if err != nil {
			return err
		}
		rows, scanned = max(rows, sp.Observations), max(scanned, sp.Unindexed)
		all.Took, all.Inside = append(all.Took, part.Took...), append(all.Inside, part.Inside...)
		_, errClose := sess.Close(ctx)
		_, errDrop := c.DeleteSpace(ctx, name)
		if err := errors.Join(errClose, errDrop); err != nil {
			return err
		}
	}
	r.linef("%s", all.row(fmt.Sprintf("the same into the same space (up to %d rows at the end, %d of them scanned)", rows, scanned), fmt.Sprintf("%.0f", sum), fmt.Sprintf("%.2f + %.2f", server, own)))
	return nil
}

// beside streams at a rate for a while, while another process asks at fixed
// times. It returns what asking took and the rate that was reached, until all of
// it was acked DURABLE.
func beside(ctx context.Context, addr, space string, sess *engram.Session, data [][]float32, rate float64, span time.Duration) (told, float64, error) {
	a, err := newAsker(addr)
	if err != nil {
		return told{}, 0, err
	}
	began := time.Now()
	errBegin := a.begin(order{Space: space, Began: began, Every: besideEvery, Count: int(span / besideEvery)})
	n, errLoad := load{rate, began}.run(ctx, sess, span, func(n uint64) engram.Observation {
		return engram.Observation{Vector: data[n%uint64(len(data))]}
	}, nil)
	took := time.Since(began)
	t, errEnd := a.end()
	return t, float64(n) / took.Seconds(), errors.Join(errBegin, errLoad, errEnd)
}
