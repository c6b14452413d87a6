package main

import (
	"context"
	"time"

	engram "github.com/engram-stream/engram/sdk/go"
)

var metrics = map[string]engram.Metric{"": engram.DefaultMetric, "cosine": engram.Cosine, "dot": engram.Dot, "euclidean": engram.Euclidean}

func createSpace(d *driver, ctx context.Context, s step) (object, error) {
	c, err := d.client(s)
	if err != nil {
		return nil, err
	}
	made, _, err := c.CreateSpace(ctx, s.Space, engram.NewSpace{
		Dimension: s.Dimension, Metric: metrics[s.Metric], Embedder: s.Embedder, HistoryWindow: time.Duration(s.HistoryWindowMs) * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	return object{"dimension": made.Dimension, "metric": made.Metric.String(), "embedder": made.Embedder}, nil
}

func getSpace(d *driver, ctx context.Context, s step) (object, error) {
	c, err := d.client(s)
	if err != nil {
		return nil, err
	}
	is, err := c.GetSpace(ctx, s.Space)
	if err != nil {
		return nil, err
	}
	return object{
		"dimension": is.Dimension, "metric": is.Metric.String(), "embedder": is.Embedder,
		"generation": is.Generation, "observations": is.Observations,
	}, nil
}

func deleteSpace(d *driver, ctx context.Context, s step) (object, error) {
	c, err := d.client(s)
	if err != nil {
		return nil, err
	}
	n, err := c.DeleteSpace(ctx, s.Space)
	return object{"forgotten": n}, err
}
