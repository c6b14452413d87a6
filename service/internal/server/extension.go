//go:build conformance

package server

import (
	"crypto/tls"

	"connectrpc.com/connect/v2"
)

// Extend puts another service beside those of the contract, behind the same
// mux, interceptors, codecs and limits, so that tests of the protocol meet what
// every caller meets. Interceptors given here stand outside of all others. It
// is called before Run. A release build has none of this.
func (s *Server) Extend(register func(*connect.Server), outermost ...connect.ServerInterceptor) {
	s.extension = extension{register: register, outermost: outermost}
}

// SecureWith lets what Listen opened speak TLS. It is called between Listen
// and Run.
func (s *Server) SecureWith(c *tls.Config) { s.listener = tls.NewListener(s.listener, c) }
