package server

import (
	"bytes"
	"context"
	"io"
	"sync"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/protobuf/proto"
)

// vtMessage is a message with generated marshalling (vtprotobuf), which is
// several times as fast as reflection.
type vtMessage interface {
	proto.Message
	MarshalVT() ([]byte, error)
	UnmarshalVT([]byte) error
	MarshalToSizedBufferVT([]byte) (int, error)
	SizeVT() int
}

// codec is the binary codec: generated marshalling where a message has it, the
// standard one elsewhere. It copies what it reads (the buffers are recycled).
type codec struct {
	*connectproto.BinaryCodec
	buffers sync.Pool
}

var _ connect.Codec = (*codec)(nil)

func newCodec() *codec {
	return &codec{BinaryCodec: connectproto.NewBinaryCodec(), buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }}}
}

// maxPooled bounds the buffers that are kept for reuse.
const maxPooled = 1 << 20

// MarshalWrite implements connect.Codec.
func (c *codec) MarshalWrite(ctx context.Context, dst io.Writer, msg any) error {
	m, ok := msg.(vtMessage)
	if !ok {
		return c.BinaryCodec.MarshalWrite(ctx, dst, msg)
	}
	b := c.buffers.Get().(*bytes.Buffer)
	defer c.recycle(b)
	b.Reset()
	n := m.SizeVT()
	b.Grow(n)
	out := b.AvailableBuffer()[:n]
	if _, err := m.MarshalToSizedBufferVT(out); err != nil {
		return err
	}
	_, err := dst.Write(out)
	return err
}

// UnmarshalRead implements connect.Codec.
func (c *codec) UnmarshalRead(ctx context.Context, src io.Reader, msg any) error {
	m, ok := msg.(vtMessage)
	if !ok {
		return c.BinaryCodec.UnmarshalRead(ctx, src, msg)
	}
	b := c.buffers.Get().(*bytes.Buffer)
	defer c.recycle(b)
	b.Reset()
	if _, err := b.ReadFrom(src); err != nil {
		return err
	}
	if err := checkWire(m, b.Bytes()); err != nil {
		return err
	}
	return m.UnmarshalVT(b.Bytes())
}

func (c *codec) recycle(b *bytes.Buffer) {
	if b.Cap() <= maxPooled {
		c.buffers.Put(b)
	}
}
