package engine

import (
	"sync"

	"github.com/engram-stream/engram/service/internal/session"
)

// feeding knows which stream feeds a session, so that of two that follow each
// other only the later tells the session what it is granted. Its lock is taken
// before the monitor's and the session's.
type feeding struct {
	mu sync.Mutex
	by map[*session.Session]*Stream
}

func newFeeding() feeding { return feeding{by: map[*session.Session]*Stream{}} }

// begin makes st the stream whose grant counts. The account of one that it
// took the session over from ends at once: its places come free, and what its
// grant still gained would be taken for the grant of st.
func (f *feeding) begin(st *Stream) {
	s := st.att.Session()
	f.mu.Lock()
	defer f.mu.Unlock()
	if before := f.by[s]; before != nil {
		if before.att.Standing().Epoch > st.att.Standing().Epoch {
			st.account.Close() // taken over before it began
			return
		}
		before.account.Close()
	}
	f.by[s] = st
	s.Regrant(st.account.Credits())
}

// end forgets a stream that is over.
func (f *feeding) end(st *Stream) {
	s := st.att.Session()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by[s] == st {
		delete(f.by, s)
	}
}
