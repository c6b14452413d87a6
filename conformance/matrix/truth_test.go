package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// holds reads a whole space from the server itself, past proxy and SDK: by
// plain JSON, with nothing of the contract's code between.
func (s *server) holds(ctx context.Context, prefix, space string) (map[string]any, error) {
	ids, generations, token := []any{}, []any{}, ""
	for {
		var page struct {
			Observations []struct {
				Observation struct{ ID string }
				Generation  string // JSON has 64-bit numbers as text
			}
			NextPageToken string
		}
		if err := s.ask(ctx, "ListObservations", map[string]any{"space": prefix + space, "pageSize": 1000, "pageToken": token}, &page); err != nil {
			return nil, err
		}
		for _, o := range page.Observations {
			generation, err := strconv.ParseFloat(o.Generation, 64)
			if err != nil {
				return nil, fmt.Errorf("read the generation of %s: %w", o.Observation.ID, err)
			}
			ids, generations = append(ids, o.Observation.ID), append(generations, generation)
		}
		if token = page.NextPageToken; token == "" {
			return map[string]any{"space": space, "ids": ids, "generations": generations}, nil
		}
	}
}

// ask posts a request as JSON, and reads the answer.
func (s *server) ask(ctx context.Context, method string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/engram.v1.MemoryService/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read to its end
	said, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", method, res.Status, said)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(said, answer)
}
