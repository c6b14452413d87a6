package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/engram-stream/engram/service/internal/config"
)

// post is what curl -d does with JSON.
func post(t *testing.T, c *http.Client, url, body string, out any) {
	t.Helper()
	res, err := c.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", url, res.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
}

// The shortest use needs no client at all; fields the server does not know,
// those of a newer client, do not stand in the way.
func TestPlainJSON(t *testing.T) {
	s := start(t, nil)
	for _, http2 := range []bool{false, true} {
		c := client(t, http2)
		var kept struct {
			Generation     string   `json:"generation"`
			ObservationIDs []string `json:"observationIds"`
		}
		post(t, c, s.url+"/engram.v1.MemoryService/Observe",
			`{"space":"notes","fromTheFuture":1,"observations":[{"content":"the kettle is in the red box"}]}`, &kept)
		if len(kept.ObservationIDs) != 1 || kept.Generation == "" {
			t.Fatalf("observed %+v", kept)
		}
		var found struct {
			Results []struct {
				Observation struct {
					Content string `json:"content"`
				} `json:"observation"`
			} `json:"results"`
		}
		post(t, c, s.url+"/engram.v1.MemoryService/Recall", `{"space":"notes","text":"where is the kettle?"}`, &found)
		if len(found.Results) == 0 || found.Results[0].Observation.Content != "the kettle is in the red box" {
			t.Fatalf("recalled %+v", found)
		}
	}
}

// A request over the limit is refused, not read.
func TestRequestSizeIsBounded(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Limits.MaxRequestBytes = 64 << 10 })
	body := `{"space":"notes","observations":[{"content":"` + strings.Repeat("a", 65<<10) + `"}]}`
	res, err := client(t, false).Post(s.url+"/engram.v1.MemoryService/Observe", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusTooManyRequests || !strings.Contains(string(answer), "resource_exhausted") {
		t.Errorf("answered %d %s", res.StatusCode, answer)
	}
}

// Profiles have an address of their own, and only that.
func TestAdminAddress(t *testing.T) {
	s := start(t, func(c *config.Config) { c.AdminListen = "127.0.0.1:0" })
	c := client(t, false)
	admin := "http://" + s.admin.Addr().String()
	if code, body := get(t, c, admin+"/debug/pprof/cmdline"); code != http.StatusOK || body == "" {
		t.Errorf("profiles: %d", code)
	}
	if code, _ := get(t, c, admin+"/metrics"); code != http.StatusNotFound {
		t.Errorf("the admin address serves more than profiles: %d", code)
	}
}
