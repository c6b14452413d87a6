package engram

import (
	"bytes"
	"context"
	"io"
	"sync"

	"connectrpc.com/connect/v2/connectproto"
)

// vtMessage is a message with generated marshalling.
type vtMessage interface {
	MarshalToSizedBufferVT([]byte) (int, error)
	SizeVT() int
}

// codec writes with generated marshalling, several times as fast as
// reflection, and reads with the standard decoder, which checks everything.
type codec struct {
	*connectproto.BinaryCodec
	buffers sync.Pool
}

func newCodec() *codec {
	return &codec{BinaryCodec: connectproto.NewBinaryCodec(), buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }}}
}

const maxPooled = 1 << 20

// MarshalWrite implements connect.Codec.
func (c *codec) MarshalWrite(ctx context.Context, dst io.Writer, msg any) error {
	m, ok := msg.(vtMessage)
	if !ok {
		return c.BinaryCodec.MarshalWrite(ctx, dst, msg)
	}
	b := c.buffers.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= maxPooled {
			c.buffers.Put(b)
		}
	}()
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
