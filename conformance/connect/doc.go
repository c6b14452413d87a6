// Package connect is where the Connect project's conformance suite meets this
// one. The suite's runner (connectconformance) starts a program under test per
// configuration and speaks to it in length-prefixed messages on its standard
// input and output:
//
//   - server is the server that `engram serve` starts, with its mux, HTTP
//     settings, interceptors, codecs, compression and limits, and the suite's
//     ConformanceService beside the services of the contract;
//   - client calls the suite's reference server through what the Go SDK's Dial
//     makes: its transport, codec, compression and interceptors;
//   - node calls the server by connect-node, the transport of the TypeScript SDK.
//
// The suite's messages are third-party sources and its own Go code of them is
// internal, so `make conformance-protos` takes them from the Go module cache and
// generates them into _gen, with the plugins that make the contract's: also
// vtprotobuf's, so that the codec of production is what is tested. Nothing of
// that is committed, so everything that needs it has the build tag conformance.
//
// `make test-conformance` runs the suite.
package connect
