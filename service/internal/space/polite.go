package space

import "io"

// politePiece is how many bytes are written between two calls of GiveWay.
const politePiece = 64 << 10

// polite gives way between two pieces of what is written to it.
type polite struct {
	to      io.Writer
	giveWay func()
	since   int // bytes since it did
}

// Write implements [io.Writer].
func (p *polite) Write(b []byte) (n int, err error) {
	for {
		wrote, err := p.to.Write(b[n:min(len(b), n+politePiece-p.since)])
		n += wrote
		if p.since += wrote; p.since >= politePiece {
			p.since = 0
			p.giveWay()
		}
		if err != nil || n == len(b) {
			return n, err
		}
	}
}
