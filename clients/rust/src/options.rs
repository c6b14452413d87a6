//! How a session behaves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::events::{Ack, Level, Pressure, Rejection};

/// What is called when something is told.
pub type Callback<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// The settings of a session.
///
/// Callbacks run in the session's task, one at a time and in the order in which
/// frames came; they must not block. One that panics is told by the next flush
/// or close.
#[derive(Clone)]
pub struct SessionOptions {
    /// Fail with `not_found` in place of creating the space.
    pub must_exist: bool,
    /// The id of a session to go on with; empty opens a new one.
    pub resume: String,
    /// What `flush` waits for.
    pub flush_to: Level,
    /// Observations in one frame, at the most.
    pub batch: usize,
    /// Encoded bytes in one frame, unless one observation alone has more.
    pub batch_bytes: u64,
    /// How long an observation waits for company.
    pub linger: Duration,
    /// Observations held until the server has them on stable storage.
    pub buffer: usize,
    /// Bytes of these.
    pub buffer_bytes: u64,
    /// Wait for room in the buffer; without it a full one is an error.
    pub blocking: bool,
    /// The time in which the server has to answer when a stream is opened.
    pub connect_timeout: Duration,
    /// For how long the session goes on without anything acked, before it gives up.
    pub reconnect_for: Duration,
    /// The W3C trace context that the streams carry, also when opened again.
    pub traceparent: String,
    /// Told each ack.
    pub on_ack: Option<Callback<Ack>>,
    /// Told once of each observation that was not kept.
    pub on_rejection: Option<Callback<Rejection>>,
    /// Told when the pressure changes.
    pub on_pressure: Option<Callback<Pressure>>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            must_exist: false,
            resume: String::new(),
            flush_to: Level::Visible,
            batch: 64,
            batch_bytes: 1 << 20,
            linger: Duration::from_millis(2),
            buffer: 16_384,
            buffer_bytes: 64 << 20,
            blocking: true,
            connect_timeout: Duration::from_secs(10),
            reconnect_for: Duration::from_secs(300),
            traceparent: String::new(),
            on_ack: None,
            on_rejection: None,
            on_pressure: None,
        }
    }
}

impl fmt::Debug for SessionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionOptions")
            .field("resume", &self.resume)
            .field("flush_to", &self.flush_to)
            .field("batch", &self.batch)
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}
