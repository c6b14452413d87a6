//! What a session tells of itself.

use std::time::Duration;

use crate::v1;

/// How far an observation has come. Each level implies those below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum Level {
    /// In the server's memory: a crash may lose it.
    Accepted = 1,
    /// On stable storage.
    Durable = 2,
    /// Recall finds it.
    Visible = 3,
    /// Part of the structure the space aims at.
    Indexed = 4,
}

impl Level {
    /// All levels, rising.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Durable, Self::Visible, Self::Indexed];

    /// The level of a number on the wire; none for one of a newer server.
    pub(crate) fn of(n: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|level| *level as i32 == n)
    }
}

/// Every number up to `through` is kept at a level, or rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The level; none when a newer server names one that is unknown here.
    pub level: Option<Level>,
    /// The last number.
    pub through: u64,
    /// The generation at which the last of them is visible; 0 with ACCEPTED.
    pub generation: u64,
}

impl From<&v1::Ack> for Ack {
    fn from(m: &v1::Ack) -> Self {
        Self {
            level: Level::of(m.status),
            through: m.through_sequence,
            generation: m.generation,
        }
    }
}

/// One observation that was not kept, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its number in the session; of a call without session, its position from 1.
    pub sequence: u64,
    /// The id it had; empty when it had none.
    pub id: String,
    /// A stable word, such as `ID_CONFLICT`.
    pub reason: String,
    /// For people: the field, the value's size and the limit.
    pub message: String,
}

impl From<v1::Rejection> for Rejection {
    fn from(m: v1::Rejection) -> Self {
        Self {
            sequence: m.sequence,
            id: m.observation_id,
            reason: m.reason,
            message: m.message,
        }
    }
}

/// The pressure on a session, as the server tells it when it changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Pressure {
    /// `ACTIVE`, `PAUSED`, `WARNING`, `BACKPRESSURE`, `OVERLOADED`, `ERROR`,
    /// `DRAINING`, `CLOSED`; a number when a newer server tells another.
    pub state: String,
    /// What causes it, such as `queue_items`.
    pub cause: String,
    /// 0 is idle, 1 is full.
    pub pressure: f32,
    /// Observations that wait in the session's lane.
    pub queue_depth: u64,
    /// What the lane can hold.
    pub queue_capacity: u64,
    /// When to send more.
    pub retry_after: Duration,
    /// A batch size that suits the pressure; 0 when the server suggests none.
    pub suggested_batch: u32,
}

impl From<&v1::SessionStatus> for Pressure {
    fn from(m: &v1::SessionStatus) -> Self {
        let state = match v1::SessionState::try_from(m.state) {
            Ok(known) => known
                .as_str_name()
                .trim_start_matches("SESSION_STATE_")
                .to_owned(),
            Err(_) => m.state.to_string(),
        };
        Self {
            state,
            cause: m.cause.clone(),
            pressure: m.pressure,
            queue_depth: m.queue_depth,
            queue_capacity: m.queue_capacity,
            retry_after: duration(m.retry_after),
            suggested_batch: m.suggested_batch_size,
        }
    }
}

/// A session's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Handed to the session.
    pub observed: u64,
    /// Sent, the first time.
    pub sent: u64,
    /// Sent again.
    pub resent: u64,
    /// The number through which everything is decided durably.
    pub durable: u64,
    /// Rejections heard.
    pub rejected: u64,
    /// Refusals heard.
    pub refused: u64,
    /// Streams opened after the first.
    pub reconnects: u64,
}

/// What the server counted over the life of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// The last number that was decided.
    pub final_sequence: u64,
    /// Observations kept.
    pub accepted: u64,
    /// Observations rejected for good.
    pub rejected: u64,
    /// Times something was refused.
    pub refused: u64,
    /// Numbers that arrived again.
    pub duplicates: u64,
    /// The answer was lost with its stream and the session turned out to be
    /// closed: everything is kept, and only `final_sequence` is known.
    pub inferred: bool,
}

/// Reads a duration; a negative one is none.
pub(crate) fn duration(d: Option<prost_types::Duration>) -> Duration {
    d.and_then(|d| Duration::try_from(d).ok())
        .unwrap_or_default()
}
