//! How reconnecting slows down, over all streams that brought nothing.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

/// Exponential backoff with full jitter: anything from 0 to twice the interval.
///
/// Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Debug)]
pub(crate) struct Pace {
    limit: Duration,
    intervals: ExponentialBackoff,
    began: bool,
    /// The next try is the first after a stream that was of use: made at once.
    pub(crate) fresh: bool,
    /// When the session gives up.
    pub(crate) deadline: Instant,
}

/// The longest interval; also how long a stream has to live to be of use.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);

fn intervals() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(50))
        .with_factor(1.5)
        .with_max_delay(LONGEST)
        .without_max_times()
        .build()
}

impl Pace {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            intervals: intervals(),
            began: false,
            fresh: true,
            deadline: Instant::now(),
        }
    }

    /// Prepares one more reconnect; after a stream that was of use all begins anew.
    pub(crate) fn begin(&mut self, now: Instant, useful: bool) {
        self.fresh = useful || !self.began;
        if self.fresh {
            self.intervals = intervals();
            self.deadline = now + self.limit;
        }
        self.began = true;
    }

    /// How long to wait before the next try.
    pub(crate) fn next(&mut self) -> Duration {
        let interval = self.intervals.next().unwrap_or(LONGEST);
        interval.mul_f64(2.0 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_within_twice_the_longest() {
        let mut pace = Pace::new(Duration::from_secs(300));
        let waits: Vec<Duration> = (0..200).map(|_| pace.next()).collect();
        assert!(waits.iter().all(|w| *w <= 2 * LONGEST));
        assert!(waits[0] <= Duration::from_millis(100));
        // Of 180 draws from 0 to 10 s, all below 1 s: one in 10^180.
        assert!(waits[20..].iter().any(|w| *w > Duration::from_secs(1)));
    }

    #[test]
    fn only_what_was_of_use_begins_anew() {
        let mut pace = Pace::new(Duration::from_secs(10));
        let start = Instant::now();
        pace.begin(start, false);
        assert!(pace.fresh);
        let deadline = pace.deadline;
        pace.begin(start + Duration::from_secs(3), false);
        assert!(!pace.fresh);
        assert_eq!(pace.deadline, deadline);
        pace.begin(start + Duration::from_secs(4), true);
        assert!(pace.fresh);
        assert!(pace.deadline > deadline);
    }
}
