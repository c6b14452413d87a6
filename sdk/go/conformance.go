//go:build conformance

package engram

import (
	"net/http"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
)

// Conformance makes a client of any service at base, a URL, as Dial makes those
// of the contract: the same transport, codec, compression, limits and
// interceptors. change may turn the transport to what this package never uses,
// such as HTTP/1.1; more options come after its own. Whoever calls closes the
// transport's idle connections. It exists under the build tag conformance only.
func Conformance(base, scheme string, change func(*http.Transport), opts []Option, more ...connecthttp.Option) (*connect.Client, *http.Transport) {
	o := options{headers: http.Header{}}
	for _, f := range opts {
		f(&o)
	}
	t := o.transport(scheme)
	change(t)
	return o.over(t, base, more...), t
}
