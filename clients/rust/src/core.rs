//! A session's state, without I/O.
//!
//! The driver opens streams, gives it what the server sent, and sends what it
//! says. It does no waiting and takes no lock; the session guards it.
//! docs/sdk-behaviour.md says what it does and why. What is sent is decided in
//! `sending`.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use tokio::time::Instant;
use tonic::Code;

use crate::codec::Frame;
use crate::errors::{Error, Result};
use crate::events::{Ack, Closed, Level, Pressure, Rejection, Stats, duration};
use crate::options::SessionOptions;
use crate::recalls::Recalls;
use crate::v1::{self, memory_stream_request as out, memory_stream_response as inn};
use crate::window::Window;

/// Rejections that wait for a flush; the callback hears all.
const MAX_KEPT: usize = 10_000;

/// Rejected numbers remembered to tell repeated rejections apart: as many as a
/// server repeats.
const MAX_RECENT: usize = 8192;

/// What a frame tells the callbacks.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    Ack(Ack),
    Rejection(Rejection),
    Pressure(Pressure),
}

/// State of one session. See the module.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) space: String,
    pub(crate) options: SessionOptions,
    pub(crate) id: String,
    pub(crate) window: Window,
    pub(crate) sent: u64, // the last number sent on this stream
    pub(crate) ever_sent: u64,
    pub(crate) rewinds: u64, // how often `sent` went back
    pub(crate) granted: u64,
    pub(crate) granted_bytes: u64,
    acked: [u64; 5],
    pub(crate) generation: u64,
    pub(crate) dimension: u32,
    pub(crate) hold: Option<Instant>, // nothing is sent before: the server asked for it
    pub(crate) urgent: u64,           // through which nothing lingers
    pub(crate) draining: bool,        // observe takes no more
    pub(crate) detaching: bool,       // the server is not to be told to close
    pub(crate) closing: bool,         // the server was told to close
    pub(crate) told_close: bool,      // on this stream
    progress: bool,                   // something was acked on this stream
    max_batch: usize,                 // by option and server
    pub(crate) batch: usize,          // the same under the pressure of now
    pub(crate) lingering: Option<(u64, Instant)>,
    pub(crate) controls: VecDeque<Frame>,
    paused: bool,
    rate: u32,
    pub(crate) recalls: Recalls,
    pub(crate) closed: Option<Closed>,
    pub(crate) error: Option<Error>,
    pub(crate) callback_failed: Option<Error>,
    pub(crate) stats: Stats,
    pub(crate) pressure: Option<Pressure>,
    rejected: Vec<Rejection>,
    rejected_more: u64,
    recent: VecDeque<u64>,
    recent_set: HashSet<u64>,
}

impl Core {
    pub(crate) fn new(space: &str, options: SessionOptions) -> Self {
        Self {
            space: space.to_owned(),
            id: options.resume.clone(),
            window: Window::new(),
            sent: 0,
            ever_sent: 0,
            rewinds: 0,
            granted: 0,
            granted_bytes: 0,
            acked: [0; 5],
            generation: 0,
            dimension: 0,
            hold: None,
            urgent: 0,
            draining: false,
            detaching: false,
            closing: false,
            told_close: false,
            progress: false,
            max_batch: options.batch,
            batch: options.batch,
            lingering: None,
            controls: VecDeque::new(),
            paused: false,
            rate: 0,
            recalls: Recalls::default(),
            closed: None,
            error: None,
            callback_failed: None,
            stats: Stats::default(),
            pressure: None,
            rejected: Vec::new(),
            rejected_more: 0,
            recent: VecDeque::new(),
            recent_set: HashSet::new(),
            options,
        }
    }

    // --- a stream begins ----------------------------------------------------

    /// The first frame of a stream.
    pub(crate) fn init_frame(&self) -> Frame {
        let mut levels = vec![Level::Durable as i32, Level::Visible as i32];
        if !levels.contains(&(self.options.flush_to as i32)) {
            levels.push(self.options.flush_to as i32);
        }
        Frame::of(out::Frame::Init(v1::SessionInit {
            space: self.space.clone(),
            must_exist: self.options.must_exist,
            session_id: self.id.clone(),
            ack_levels: levels,
            ..Default::default()
        }))
    }

    /// Takes over where the server says the session stands; fails when it cannot.
    pub(crate) fn welcomed(&mut self, frame: v1::MemoryStreamResponse) -> Result<()> {
        let Some(inn::Frame::InitAck(ack)) = frame.frame else {
            let told = "the server's first frame is not init_ack";
            return Err(Error::new(Code::Internal, "PROTOCOL_ORDER", told));
        };
        let next = ack.next_sequence.max(1);
        if self.window.is_empty() && self.window.first() < next {
            self.window.begin_at(next); // resumed from another process
        }
        self.check(next)?;
        (self.id, self.dimension) = (ack.session_id, ack.dimension);
        let credits = ack.credits.unwrap_or_default();
        (self.granted, self.granted_bytes) = (credits.through_sequence, credits.bytes);
        self.max_batch = match ack.max_batch_size {
            0 => self.options.batch,
            limit => self.options.batch.min(limit as usize),
        };
        self.batch = self.max_batch;
        self.raise(Level::Durable as i32, ack.durable_sequence);
        if next - 1 < self.sent {
            self.rewinds += 1;
        }
        (self.sent, self.told_close) = (next - 1, false);
        self.controls.clear();
        if self.paused {
            self.control(v1::FlowAction::Pause, 0);
        }
        if self.rate > 0 {
            self.control(v1::FlowAction::SlowDown, self.rate);
        }
        Ok(())
    }

    /// Fails when the number that the server expects is one the session cannot go on from.
    fn check(&self, expected: u64) -> Result<()> {
        let (first, next) = (self.window.first(), self.window.next());
        if expected < first {
            // They were accepted from a process that is gone, and lost in a
            // crash before they were durable.
            let told = format!(
                "the server asks for number {expected} again, and this session holds nothing before {first}: \
                 observe the lost ones again in a new session"
            );
            return Err(Error::new(Code::DataLoss, "PAYLOADS_GONE", told));
        }
        if expected > next {
            let told = format!(
                "the server expects number {expected}, and this session has sent none above {}: \
                 another process has used it",
                next - 1
            );
            return Err(Error::new(Code::Aborted, "SESSION_TAKEN_OVER", told));
        }
        Ok(())
    }

    /// Lets a session of which the server kept nothing begin anew; false if it kept something.
    pub(crate) fn start_over(&mut self) -> bool {
        let fresh = !self.id.is_empty() && self.acked(Level::Durable) == 0;
        if !fresh || self.window.first() != 1 {
            return false;
        }
        self.id.clear();
        true
    }

    // --- what is observed ---------------------------------------------------

    /// Whether an observation of that many bytes may be pushed; fails when the session is over.
    pub(crate) fn room(&self, size: usize) -> Result<bool> {
        if let Some(err) = &self.error {
            return Err(err.clone());
        }
        if self.draining {
            return Err(Error::closed());
        }
        let (w, o) = (&self.window, &self.options);
        let fits = w.len() < o.buffer && w.size() + size as u64 <= o.buffer_bytes;
        Ok(w.is_empty() || fits)
    }

    /// Takes an entry; returns its number, and whether the sender has to be woken.
    pub(crate) fn push(&mut self, entry: Bytes) -> (u64, bool) {
        let seq = self.window.next();
        let before = (seq - 1).saturating_sub(self.sent);
        self.window.push(entry);
        self.stats.observed += 1;
        (seq, before == 0 || before + 1 >= self.batch as u64)
    }

    /// The last number given.
    pub(crate) fn last(&self) -> u64 {
        self.window.next() - 1
    }

    /// Lets nothing linger that is observed so far; returns its last number.
    pub(crate) fn hurry(&mut self) -> u64 {
        self.urgent = self.urgent.max(self.last());
        self.last()
    }

    /// Asks for no new credits, or for new ones again.
    pub(crate) fn pause(&mut self, paused: bool) {
        self.paused = paused;
        let action = match paused {
            true => v1::FlowAction::Pause,
            false => v1::FlowAction::Resume,
        };
        self.control(action, 0);
    }

    /// Asks for no more than so many credits a second; 0 leaves it to the server.
    pub(crate) fn limit(&mut self, rate: u32) {
        self.rate = rate;
        let action = match rate {
            0 => v1::FlowAction::SpeedUp,
            _ => v1::FlowAction::SlowDown,
        };
        self.control(action, rate);
    }

    fn control(&mut self, action: v1::FlowAction, rate: u32) {
        let control = v1::FlowControl {
            action: action.into(),
            preferred_rate: rate,
            ..Default::default()
        };
        self.controls
            .push_back(Frame::of(out::Frame::FlowControl(control)));
    }

    // --- what is received ---------------------------------------------------

    /// Acts on one frame; returns what there is to tell. Frames of a newer
    /// server are passed over.
    pub(crate) fn take(&mut self, m: v1::MemoryStreamResponse, now: Instant) -> Option<Told> {
        match m.frame? {
            inn::Frame::Ack(ack) => {
                self.progress = true;
                self.raise(ack.status, ack.through_sequence);
                self.generation = self.generation.max(ack.generation);
                self.grant(ack.credits);
                Some(Told::Ack(Ack::from(&ack)))
            }
            inn::Frame::Rejection(r) => {
                let r = Rejection::from(r);
                self.heard(&r).then_some(Told::Rejection(r))
            }
            inn::Frame::Refusal(r) => {
                self.refused(&r, now);
                None
            }
            inn::Frame::Status(s) => {
                self.grant(s.credits);
                self.batch = match s.suggested_batch_size {
                    0 => self.max_batch,
                    n => self.max_batch.min(n as usize),
                };
                let pressure = Pressure::from(&s);
                self.pressure = Some(pressure.clone());
                Some(Told::Pressure(pressure))
            }
            inn::Frame::Closed(c) => {
                self.closed = Some(Closed {
                    final_sequence: c.final_sequence,
                    accepted: c.accepted,
                    rejected: c.rejected,
                    refused: c.refused,
                    duplicates: c.duplicates,
                    inferred: false,
                });
                None
            }
            inn::Frame::RecallResults(m) => {
                self.recalls.answer(m);
                None
            }
            inn::Frame::InitAck(_) | inn::Frame::GoAway(_) => None,
        }
    }

    /// The number through which everything has reached a level.
    pub(crate) fn acked(&self, level: Level) -> u64 {
        self.acked[level as usize]
    }

    /// Records that everything through a number has reached a level, and so the levels below.
    fn raise(&mut self, level: i32, through: u64) {
        let Some(level) = Level::of(level) else {
            return; // of a newer server
        };
        for below in Level::ALL {
            if below <= level {
                let mark = &mut self.acked[below as usize];
                *mark = through.max(*mark);
            }
        }
        let durable = self.acked(Level::Durable);
        self.window.drop_through(durable);
        self.stats.durable = durable;
        self.sent = self.sent.max(durable.min(self.last()));
    }

    fn grant(&mut self, credits: Option<v1::Credits>) {
        if let Some(c) = credits
            && c.through_sequence >= self.granted
        {
            (self.granted, self.granted_bytes) = (c.through_sequence, c.bytes);
        }
    }

    /// Keeps a rejection for the next flush; false when it was heard before.
    fn heard(&mut self, r: &Rejection) -> bool {
        if !self.recent_set.insert(r.sequence) {
            return false;
        }
        self.recent.push_back(r.sequence);
        if self.recent.len() > MAX_RECENT
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_set.remove(&oldest);
        }
        self.stats.rejected += 1;
        if self.rejected.len() < MAX_KEPT {
            self.rejected.push(r.clone());
        } else {
            self.rejected_more += 1;
        }
        true
    }

    /// Goes back to where the server wants it, once it wants it.
    fn refused(&mut self, r: &v1::Refusal, now: Instant) {
        self.stats.refused += 1;
        let expected = r.expected_sequence;
        if self.window.first() <= expected && expected <= self.sent {
            self.sent = expected - 1;
            self.rewinds += 1;
        }
        self.grant(r.credits);
        let wait = duration(r.retry_after);
        if !wait.is_zero() {
            self.hold = Some(now + wait);
        }
    }

    // --- the end ------------------------------------------------------------

    /// Fails with what was rejected since last asked, or with what a callback did.
    pub(crate) fn take_kept(&mut self) -> Result<()> {
        if let Some(err) = self.callback_failed.take() {
            return Err(err);
        }
        if self.rejected.is_empty() {
            return Ok(());
        }
        let rejected = std::mem::take(&mut self.rejected);
        Err(Error::rejected(
            rejected,
            std::mem::take(&mut self.rejected_more),
        ))
    }

    /// Whether the server acked anything since last asked.
    pub(crate) fn progressed(&mut self) -> bool {
        std::mem::take(&mut self.progress)
    }

    /// Makes a good end of an error that says the session is closed, if it was
    /// this one that closed it. Everything is known to be kept then: only the
    /// answer was lost, with its stream.
    fn lost_answer(&mut self, err: &Error) {
        let last = self.last();
        if err.reason() == "SESSION_CLOSED" && self.closing && self.acked(Level::Durable) >= last {
            self.closed = Some(Closed {
                final_sequence: last,
                inferred: true,
                ..Default::default()
            });
            self.raise(Level::Visible as i32, last);
        }
    }

    /// Records why the session is over; none for an end in good order.
    pub(crate) fn end(&mut self, err: Option<Error>) {
        if let Some(err) = &err {
            self.lost_answer(err);
        }
        if self.error.is_none() {
            let why = err.filter(|_| self.closed.is_none());
            self.error = Some(why.unwrap_or_else(Error::closed));
        }
        if let Some(err) = self.error.clone() {
            self.recalls.fail(&err);
        }
    }
}
