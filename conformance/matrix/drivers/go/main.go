// Command go is the matrix's driver of the Go SDK: it reads a script from
// stdin, runs its steps through the SDK's public interface alone, and prints
// what came of each. The format is in the README two folders up. It judges
// nothing, and takes nothing of the server or of the contract.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	engram "github.com/engram-stream/engram/sdk/go"
)

// object is a member of a script or result.
type object = map[string]any

// driver runs one script. Owner: main. Steps that run beside each other share
// it: mu guards the maps.
type driver struct {
	script script

	mu       sync.Mutex
	clients  map[string]*engram.Client
	sessions map[string]*session
	calls    map[string]string // session ids of calls, by handle
	commits  map[string]*engram.Recall
	tasks    map[string]*task
}

// task is a step that runs beside those that follow it.
type task struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when out is there
	out    object
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	d := &driver{
		clients: map[string]*engram.Client{}, sessions: map[string]*session{}, calls: map[string]string{},
		commits: map[string]*engram.Recall{}, tasks: map[string]*task{},
	}
	if err := json.NewDecoder(os.Stdin).Decode(&d.script); err != nil {
		return fmt.Errorf("read the script: %w", err)
	}
	results := []object{}
	for _, s := range d.script.Steps {
		results = append(results, d.step(context.Background(), s))
	}
	for _, c := range d.clients {
		c.Close()
	}
	return json.NewEncoder(os.Stdout).Encode(object{"steps": results})
}

// step runs one step and gives the result's element.
func (d *driver) step(ctx context.Context, s step) object {
	if s.TimeoutMs > 0 && s.Op != "observe" { // there it is for each observation
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout())
		defer cancel()
	}
	switch s.Op {
	case "start":
		return d.start(*s.Step, s.As)
	case "join":
		t := d.task(s.Of)
		<-t.done
		return t.out
	case "cancel":
		d.task(s.Of).cancel()
		return object{"ok": object{}}
	}
	run, known := operations[s.Op]
	if !known {
		return object{"unsupported": s.Op}
	}
	ok, err := run(d, ctx, s)
	if err != nil {
		said := told(err)
		for k, v := range ok {
			said[k] = v // how far an observe came
		}
		return object{"error": said}
	}
	return object{"ok": ok}
}

func (d *driver) start(s step, as string) object {
	ctx, cancel := context.WithCancel(context.Background())
	t := &task{cancel: cancel, done: make(chan struct{})}
	d.mu.Lock()
	d.tasks[as] = t
	d.mu.Unlock()
	go func() { // join waits for it
		defer close(t.done)
		t.out = d.step(ctx, s)
	}()
	return object{"ok": object{}}
}

func (d *driver) task(name string) *task {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tasks[name]
}

// client gives the step's client, which is made when it is first named.
func (d *driver) client(s step) (*engram.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := s.Client
	if name == "" {
		name = "a"
	}
	if c := d.clients[name]; c != nil {
		return c, nil
	}
	c, err := engram.Dial(d.script.Address)
	if err == nil {
		d.clients[name] = c
	}
	return c, err
}

type operation func(d *driver, ctx context.Context, s step) (object, error)

// operations are those of the README, by name.
var operations map[string]operation

func init() {
	operations = map[string]operation{
		"create_space": createSpace, "get_space": getSpace, "delete_space": deleteSpace,
		"open": open, "observe": observe, "flush": flush, "close": closeSession, "detach": detach,
		"ended": ended, "stats": stats, "heard": heard,
		"observe_call": observeCall, "recall": recall, "recall_stream": recallStream,
		"list": list, "get": get, "forget": forget, "watch": watch,
		"fault": fault, "close_client": closeClient,
	}
}
