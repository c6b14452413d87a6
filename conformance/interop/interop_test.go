package interop

import "testing"

// TestInterop lets every client speak to the same server, each in spaces of its
// own.
func TestInterop(t *testing.T) {
	addr := start(t)
	t.Run("grpcurl", grpcurl(addr))
	for _, protocol := range []string{"grpc", "grpcweb", "connect"} {
		t.Run("buf curl "+protocol, bufCurl(addr, protocol))
	}
	t.Run("curl", curl(addr))
	t.Run("grpc-go", grpcGo(addr))
	for name, option := range protocols {
		t.Run("connect-go "+name, connectGo(addr, name, option))
	}
	t.Run("connect-node", connectNode(addr))
	t.Run("grpcio", grpcio(addr))
}
