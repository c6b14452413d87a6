package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	engram "github.com/engram-stream/engram/sdk/go"
)

func (v *verb) printMessage(m proto.Message) error {
	b, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(m)
	if err != nil {
		return err
	}
	v.printf("%s\n", b)
	return nil
}

func statusCommand() *cobra.Command {
	var watch bool
	c := &cobra.Command{Use: "status", Short: "Show how the server is doing", Args: cobra.NoArgs}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "again every second")
	return clientVerb(c, func(ctx context.Context, v *verb, _ []string) error {
		if !watch {
			st, err := v.client.Status(ctx)
			if err != nil {
				return err
			}
			return v.printStatus(st)
		}
		for st, err := range v.client.WatchStatus(ctx, time.Second) {
			if err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			if err := v.printStatus(st); err != nil {
				return err
			}
		}
		return nil
	})
}

func (v *verb) printStatus(st *engram.ServerStatus) error {
	if v.json {
		return v.printMessage(st)
	}
	v.printf("%s  version %s, up %v\n", strings.TrimPrefix(st.State.String(), "SERVER_STATE_"), st.Version, time.Since(st.StartedAt.AsTime()).Round(time.Second))
	v.printf("  spaces %d, observations %d (%d not in a graph, %d rows dead), sessions %d, pressure %.0f %%\n", st.Spaces, st.Observations, st.Unindexed, st.DeadRows, st.ActiveSessions, 100*st.Pressure)
	v.printf("  since the start: %d observed, %d rejected, %d refusals, %d recalls\n", st.ObservationsTotal, st.RejectionsTotal, st.RefusalsTotal, st.RecallsTotal)
	for _, l := range st.Lanes {
		v.printf("  lane %-7s %d of %d waiting, %d reserved\n", strings.ToLower(strings.TrimPrefix(l.Priority.String(), "PRIORITY_")), l.Depth, l.Capacity, l.Reserved)
	}
	for _, w := range st.Workers {
		v.printf("  worker %d    %3.0f %% busy, %d batches, %d stolen, %d panics\n", w.WorkerId, 100*w.Utilization, w.Batches, w.Stolen, w.Panics)
	}
	for _, line := range describeMemory(st) {
		v.printf("  %s\n", line)
	}
	if line := describePolicies(st.IndexPolicies); line != "" {
		v.printf("  %s\n", line)
	}
	j := st.Journal
	v.printf("  journal     %.1f MB in %d segments, %d commits, %.1f GB free%s%s\n", float64(j.GetBytes())/1e6, j.GetSegments(), j.GetCommits(),
		float64(j.GetDiskFreeBytes())/1e9, level("THE DISK", j.GetDiskLevel()), failure(j.GetFailure()))
	v.printDisk(st)
	return nil
}

// printDisk shows how checkpoints and replay stand.
func (v *verb) printDisk(st *engram.ServerStatus) {
	if r := st.Replay; r != nil && r.Position < r.Total {
		v.printf("  replay      %.1f of %.1f MB of the journal are read back\n", float64(r.Position)/1e6, float64(r.Total)/1e6)
	}
	c := st.Checkpoint
	switch {
	case c.GetCatalog() > 0:
		v.printf("  checkpoint  number %d, %v old, %.1f MB of journal behind it, %d spaces asleep%s\n", c.Catalog, c.Age.AsDuration().Round(time.Second),
			float64(c.TailBytes)/1e6, c.AsleepSpaces, failure(c.Failure))
	case c != nil:
		v.printf("  checkpoint  none yet, %.1f MB of journal%s\n", float64(c.TailBytes)/1e6, failure(c.Failure))
	}
	for _, d := range c.GetDamage() {
		v.printf("  DAMAGE      %s; see 'engram doctor'\n", d)
	}
}

func failure(s string) string {
	if s == "" {
		return ""
	}
	return "; FAILED: " + s
}

func sessionsCommand() *cobra.Command {
	c := &cobra.Command{Use: "sessions", Short: "List and close sessions"}
	list := &cobra.Command{Use: "list [SPACE]", Short: "List the sessions", Args: cobra.MaximumNArgs(1)}
	var reason string
	end := &cobra.Command{Use: "close SESSION", Short: "End a session; it cannot be resumed", Args: cobra.ExactArgs(1)}
	end.Flags().StringVar(&reason, "reason", "", "for the server's log")
	c.AddCommand(
		clientVerb(list, func(ctx context.Context, v *verb, args []string) error {
			space := ""
			if len(args) == 1 {
				space = args[0]
			}
			for s, err := range v.client.ListSessions(ctx, space) {
				if err != nil {
					return err
				}
				if err := v.printSession(s); err != nil {
					return err
				}
			}
			return nil
		}),
		clientVerb(end, func(ctx context.Context, v *verb, args []string) error {
			s, err := v.client.CloseSession(ctx, args[0], reason)
			if err != nil {
				return err
			}
			return v.printSession(s)
		}))
	return c
}

func (v *verb) printSession(s *engram.SessionInfo) error {
	if v.json {
		return v.printMessage(s)
	}
	attached := "detached"
	if s.Attached {
		attached = "attached"
	}
	v.printf("%-28s %-20s %-9s %s  next %d, durable %d, visible %d, %d accepted, %d rejected\n", s.SessionId, s.Space,
		strings.TrimPrefix(s.State.String(), "SESSION_STATE_"), attached, s.NextSequence, s.DurableSequence, s.VisibleSequence, s.Accepted, s.Rejected)
	return nil
}
