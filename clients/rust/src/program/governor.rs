//! The rate of now: what was asked for, less what pressure takes away.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use engram_client::Pressure;

/// Says how many observations fall due. Heard from the session's task, asked
/// from the sender's.
#[derive(Debug)]
pub(crate) struct Governor {
    rate: f64,
    heeding: bool,
    factor: Mutex<f64>,
}

impl Governor {
    /// A rate of 0 is as fast as it goes.
    pub(crate) fn new(rate: f64, heeding: bool) -> Self {
        Self {
            rate: if rate > 0.0 { rate } else { 1e6 },
            heeding,
            factor: Mutex::new(1.0),
        }
    }

    /// Takes the server's word; returns what there is to say of it.
    pub(crate) fn hear(&self, p: &Pressure) -> Option<String> {
        if !self.heeding {
            return None;
        }
        let calm = p.state == "ACTIVE" || p.state == "PAUSED";
        let factor = match calm {
            true => 1.0,
            false => (1.0 - f64::from(p.pressure)).max(0.05),
        };
        *self.factor.lock().unwrap_or_else(PoisonError::into_inner) = factor;
        let cause = match p.cause.as_str() {
            "" => "no cause",
            cause => cause,
        };
        Some(format!(
            "pressure {:.2} ({}, {cause}): at {:.0}% of the rate",
            p.pressure,
            p.state,
            factor * 100.0
        ))
    }

    /// How many observations fall due in a stretch of time.
    pub(crate) fn due(&self, time: Duration) -> f64 {
        let factor = *self.factor.lock().unwrap_or_else(PoisonError::into_inner);
        self.rate * factor * time.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressure(state: &str, pressure: f32) -> Pressure {
        Pressure {
            state: state.to_owned(),
            cause: String::new(),
            pressure,
            queue_depth: 0,
            queue_capacity: 0,
            retry_after: Duration::ZERO,
            suggested_batch: 0,
        }
    }

    #[test]
    fn pressure_slows_down_only_who_heeds_it() {
        let (heeding, deaf) = (Governor::new(100.0, true), Governor::new(100.0, false));
        let high = pressure("BACKPRESSURE", 0.75);
        assert!(heeding.hear(&high).is_some());
        assert!(deaf.hear(&high).is_none());
        assert!((heeding.due(Duration::from_secs(1)) - 25.0).abs() < 1e-9);
        assert!((deaf.due(Duration::from_secs(1)) - 100.0).abs() < 1e-9);
        heeding.hear(&pressure("OVERLOADED", 1.0));
        assert!((heeding.due(Duration::from_secs(1)) - 5.0).abs() < 1e-9);
        heeding.hear(&pressure("ACTIVE", 0.1));
        assert!((heeding.due(Duration::from_secs(1)) - 100.0).abs() < 1e-9);
    }
}
