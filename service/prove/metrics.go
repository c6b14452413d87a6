package main

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// bucket is one of a histogram: how many values were at most bound, in seconds.
type bucket struct{ bound, count float64 }

// histogram reads one of the server's, by name and, if label is not empty, by a
// label of it; nil when there is none.
func histogram(s *server, name, label string) []bucket {
	resp, err := http.Get("http://" + s.addr + "/metrics")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var list []bucket
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		line := lines.Text()
		if !strings.Contains(line, name+"_bucket{") || !strings.Contains(line, label) {
			continue
		}
		_, rest, _ := strings.Cut(line, `le="`)
		bound, count, _ := strings.Cut(rest, `"}`)
		fields := strings.Fields(count)
		if len(fields) == 0 {
			return nil
		}
		b, errBound := strconv.ParseFloat(bound, 64)
		n, errCount := strconv.ParseFloat(fields[0], 64)
		if errBound != nil || errCount != nil {
			return nil
		}
		list = append(list, bucket{b, n})
	}
	return list
}

// quantile is the bound of the bucket that a quantile lies in.
func quantile(list []bucket, q float64) string {
	for _, b := range list {
		if b.count >= q*list[len(list)-1].count {
			return fmt.Sprintf("≤ %.1f ms", b.bound*1000)
		}
	}
	return "?"
}

// fsync is a quantile of the journal's fsync since the start.
func fsync(s *server, q float64) string {
	return quantile(histogram(s, "journal_sync_seconds", ""), q)
}

// unseen is how long rows of a space were durable and not published.
func unseen(s *server, space string) string {
	list := histogram(s, "visibility_latency_seconds", `memory_space="`+space+`"`)
	return quantile(list, .5) + " / " + quantile(list, .99)
}
