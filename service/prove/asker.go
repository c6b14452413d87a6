package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	engram "github.com/engram-stream/engram/sdk/go"
)

// Who asks is a process of its own. In the one that makes the load, an answer
// would wait for a turn among what makes and encodes observations, and the
// figure would be that of the load generator's scheduling.

// dataRows is how many vectors the streams that are asked after repeat.
const dataRows = 20_000

// askLimit is when an asker gives up, whatever is left to ask: what an ack covers
// and no recall ever finds would be asked for without end.
const askLimit = 2 * time.Minute

// order is what an asker is told first, as a line of JSON. Then it either asks
// Count times, each at its time, or it reads an ack a line and asks after each.
type order struct {
	Space string
	Began time.Time
	Every time.Duration
	Count int // 0: acks follow
}

// report of an asker, one line of JSON, when it has all answers.
type told struct {
	Took   spread // from when it was due, or the ack was heard, to having the answer
	Inside spread // of it, in the server
	Waited spread // of it, until the asker had heard of the ack
	Asked  spread // of it, the recall that found it
	Again  int    // that were not found at first
}

// asker is such a process, as seen by the one that makes the load.
type asker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// newAsker starts an asker; it is connected when newAsker returns.
func newAsker(addr string) (*asker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a := &asker{cmd: exec.Command(self, "-ask", addr)} //nolint:gosec // this program
	a.cmd.Stderr = os.Stderr
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	a.out = bufio.NewReader(out)
	if line, err := a.out.ReadString('\n'); err != nil || line != "ready\n" {
		return nil, errors.Join(fmt.Errorf("the asker said %q", line), err, a.in.Close(), a.cmd.Wait())
	}
	return a, nil
}

// begin tells it what to do.
func (a *asker) begin(o order) error { return json.NewEncoder(a.in).Encode(o) }

// heard tells it of an ack.
func (a *asker) heard(through uint64, at time.Time) error {
	_, err := fmt.Fprintln(a.in, through, at.UnixNano())
	return err
}

// end waits for the asker's report.
func (a *asker) end() (t told, err error) {
	errClose := a.in.Close()
	errRead := json.NewDecoder(a.out).Decode(&t)
	return t, errors.Join(errClose, errRead, a.cmd.Wait())
}

// drop ends an asker whose report is of no use.
func (a *asker) drop() error {
	_, err := a.end()
	return err
}

// ask is the asker's own side.
func ask(addr string, in io.Reader, out io.Writer) error {
	c, err := engram.Dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	if _, err := c.Status(ctx); err != nil { // the connection is made
		return err
	}
	data := vectors(dataRows, 128) // before anything is timed
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return err
	}
	var t told
	if o.Count > 0 {
		t, err = askInTime(ctx, c, o, data)
	} else {
		t, err = askAfterAcks(ctx, c, o.Space, lines, data)
	}
	return errors.Join(err, json.NewEncoder(out).Encode(t))
}

// askInTime asks at fixed times, whether or not the answer before has come: an
// open loop.
func askInTime(ctx context.Context, c *engram.Client, o order, data [][]float32) (told, error) {
	t := told{Took: make(spread, o.Count), Inside: make(spread, o.Count)}
	answers := make(chan error, o.Count)
	for i := range o.Count {
		due := o.Began.Add(time.Duration(i) * o.Every)
		time.Sleep(time.Until(due))
		go func() {
			found, err := c.Recall(ctx, o.Space, engram.ByVector(data[i%len(data)]))
			t.Took[i] = time.Since(due)
			if err == nil {
				t.Inside[i] = found.Took
			}
			answers <- err
		}()
	}
	var errs []error
	for range o.Count {
		errs = append(errs, <-answers)
	}
	return t, errors.Join(errs...)
}

// askAfterAcks asks for the newest observation that an ack covers until it is
// found, by one of a few at a time.
func askAfterAcks(ctx context.Context, c *engram.Client, space string, acks *bufio.Reader, data [][]float32) (t told, err error) {
	var mu sync.Mutex
	var asking errgroup.Group
	asking.SetLimit(askers)
	for {
		var through uint64
		var at int64
		if _, err := fmt.Fscan(acks, &through, &at); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return t, err
		}
		heard := time.Unix(0, at)
		asking.Go(func() error {
			waited := time.Since(heard)
			id, cue := fmt.Sprintf("%s-%d", space, through), marked(data, through)
			for try := 0; ; try++ {
				began := time.Now()
				found, err := c.Recall(ctx, space, engram.ByVector(cue), engram.Limit(1))
				if err != nil {
					return err
				}
				if len(found.Results) == 0 || found.Results[0].Observation.ID != id {
					continue
				}
				now := time.Now()
				mu.Lock()
				defer mu.Unlock()
				t.Took, t.Waited = append(t.Took, now.Sub(heard)), append(t.Waited, waited)
				t.Asked, t.Inside = append(t.Asked, now.Sub(began)), append(t.Inside, found.Took)
				if try > 0 {
					t.Again++
				}
				return nil
			}
		})
	}
	return t, asking.Wait()
}
