//! What a session may send now.

use tokio::time::Instant;

use crate::codec::Frame;
use crate::core::Core;
use crate::v1::{self, memory_stream_request as out};

/// What there is to send.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// This.
    Frame(Frame),
    /// Nothing before a moment; without one, before something happens.
    Wait(Option<Instant>),
}

impl Core {
    /// What may be sent now, or until when to wait for it.
    pub(crate) fn next_frame(&mut self, now: Instant) -> Next {
        if let Some(frame) = self.controls.pop_front().or_else(|| self.recalls.next()) {
            return Next::Frame(frame);
        }
        if let Some(hold) = self.hold.filter(|hold| *hold > now) {
            return Next::Wait(Some(hold));
        }
        let (first, last) = (self.sent + 1, self.last());
        if first > last {
            return self.close_frame(last);
        }
        // By count, by bytes of the frame, and by what is granted: numbers, and
        // bytes above the durable mark. One alone may always go, if its number may.
        let w = &self.window;
        let begin = w.through(self.sent);
        let by_count = last.min(self.sent + self.batch as u64);
        let by_bytes = w.reach(first, by_count, begin + self.options.batch_bytes);
        let mut stop = by_bytes.max(first);
        let mut full = stop < last;
        let limit = stop.min(self.granted);
        let mut most = w
            .reach(first, limit.max(first - 1), w.base() + self.granted_bytes)
            .min(limit);
        if begin <= w.base() && self.granted >= first {
            most = most.max(first);
        }
        if most < stop {
            (stop, full) = (most, true); // more cannot be had now: go with what there is
        }
        if stop < first {
            return Next::Wait(None);
        }
        let full = full || stop - self.sent >= self.batch as u64 || stop <= self.urgent;
        if !full {
            let till = match self.lingering {
                Some((seq, till)) if seq == first => till,
                _ => now + self.options.linger,
            };
            self.lingering = Some((first, till));
            if now < till {
                return Next::Wait(Some(till));
            }
        }
        self.lingering = None;
        let entries = self.window.slice(first, stop);
        let size = self.window.through(stop) - begin;
        self.count(stop);
        Next::Frame(Frame::batch(first, entries, size))
    }

    fn close_frame(&mut self, last: u64) -> Next {
        if !self.draining || self.detaching || self.told_close {
            return Next::Wait(None);
        }
        (self.closing, self.told_close) = (true, true);
        Next::Frame(Frame::of(out::Frame::Close(v1::SessionClose {
            drain: true,
            last_sequence: last,
        })))
    }

    fn count(&mut self, stop: u64) {
        let fresh = stop.saturating_sub(self.sent.max(self.ever_sent));
        self.stats.sent += fresh;
        self.stats.resent += stop - self.sent - fresh;
        self.sent = stop;
        self.ever_sent = self.ever_sent.max(stop);
    }
}
