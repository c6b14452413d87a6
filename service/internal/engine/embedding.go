package engine

import (
	"context"
	"strings"
	"time"

	"github.com/engram-stream/engram/service/internal/embed"
	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
	"github.com/engram-stream/engram/service/internal/space"
	"github.com/engram-stream/engram/service/internal/telemetry"
)

func (e *Engine) defaultEmbedder() embed.Embedder {
	if len(e.opts.Embedders) == 0 {
		return nil
	}
	return e.opts.Embedders[0]
}

func (e *Engine) embedderKinds() string {
	if len(e.opts.Embedders) == 0 {
		return "none"
	}
	kinds := make([]string, len(e.opts.Embedders))
	for i, emb := range e.opts.Embedders {
		kinds[i] = `"` + emb.Identity().Kind + `"`
	}
	return strings.Join(kinds, ", ")
}

// embedderOf finds the embedder a space was made with. One of another model or
// dimension will not do: its vectors cannot be compared with those stored.
func (e *Engine) embedderOf(set space.Settings) (embed.Embedder, bool) {
	emb, ok := e.embedders[set.Embedder.Kind]
	return emb, ok && emb.Identity() == set.Embedder
}

// embedAll gives a vector to every observation of a batch that has only text,
// in place. Those whose text the embedder refuses come back as rejections,
// numbered from seq; a fault means that the embedder is down.
func (e *Engine) embedAll(ctx context.Context, sp *space.Space, in []Incoming, seq memory.Sequence) ([]memory.Rejection, *fault.Error) {
	var texts []string
	var at []int
	for i := range in {
		if in[i].Fault == nil && in[i].Observation.Vector == nil {
			texts = append(texts, in[i].Observation.Content)
			at = append(at, i)
		}
	}
	if len(texts) == 0 {
		return nil, nil
	}
	emb, ok := e.embedderOf(sp.Settings())
	if !ok {
		return nil, fault.New(fault.InvalidArgument, fault.NoEmbedder, "space %q has no embedder", sp.ID())
	}
	vectors, errs := embed.Each(ctx, emb, texts)
	done := time.Now()
	var rejected []memory.Rejection
	for k, i := range at {
		in[i].Trip.MarkAt(telemetry.StageEmbed, done)
		if err := errs[k]; err != nil {
			f := fault.Of(err)
			if f.Code != fault.InvalidArgument {
				return nil, f
			}
			in[i].Fault = f
			rejected = append(rejected, rejection(seq+memory.Sequence(i), in[i].id(), f))
			continue
		}
		in[i].Observation.Vector = vectors[k]
	}
	return rejected, nil
}

// embedCue embeds the text of a recall. In a space that has no observation yet,
// and so no embedder, any will do: nothing is compared with it.
func (e *Engine) embedCue(ctx context.Context, sp *space.Space, text string) ([]float32, error) {
	set := sp.Settings()
	emb, ok := e.embedderOf(set)
	if set.Dimension == 0 && set.Embedder.Kind == "" && e.defaultEmbedder() != nil {
		emb, ok = e.defaultEmbedder(), true // none is chosen before the first observation
	}
	if !ok {
		return nil, fault.New(fault.InvalidArgument, fault.NoEmbedder,
			"the cue is a text, and space %q has no embedder; send an embedding", sp.ID()).In("text")
	}
	if strings.TrimSpace(text) == "" {
		return nil, fault.New(fault.InvalidArgument, fault.InvalidCue, "the cue's text is empty").In("text")
	}
	if len(text) > e.opts.Limits.ContentBytes {
		return nil, tooLarge("text", len(text), e.opts.Limits.ContentBytes)
	}
	vs, err := emb.Embed(ctx, []string{text})
	if err != nil {
		return nil, err
	}
	return vs[0], nil
}
