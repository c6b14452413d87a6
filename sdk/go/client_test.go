package engram

import "testing"

func TestAddresses(t *testing.T) {
	for _, addr := range []string{"", "ftp://host:1", "http://", "http://a b", "host:port:more%"} {
		if _, err := Dial(addr); !IsInvalid(err) {
			t.Errorf("%q: %v", addr, err)
		}
	}
	for _, addr := range []string{"127.0.0.1:50051", "[::1]:50051", "localhost:1", "https://engram.example", "http://engram.example:80"} {
		c, err := Dial(addr)
		if err != nil {
			t.Errorf("%q: %v", addr, err)
			continue
		}
		c.Close()
	}
}
