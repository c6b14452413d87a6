//! Latencies and progress, from handing over to the ack.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use engram_client::{Ack, Level};
use indicatif::{ProgressBar, ProgressStyle};

/// Counts acks. Told by the sender what was handed over, and by the session's
/// task what was acked.
pub(crate) struct Meter {
    level: Level,
    count: u64,
    every: u64,
    bar: ProgressBar,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    handed: Vec<Instant>,
    milliseconds: Vec<f64>,
}

impl Meter {
    pub(crate) fn new(level: Level, count: usize, every: u64) -> Self {
        let bar = ProgressBar::new(count as u64); // hidden when stderr is no terminal
        if let Ok(style) =
            ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} acked, {per_sec}, {eta}")
        {
            bar.set_style(style);
        }
        Self {
            level,
            count: count as u64,
            every: every.max(1),
            bar,
            began: Instant::now(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the next observation is handed over now.
    pub(crate) fn handed(&self) {
        self.state().handed.push(Instant::now());
    }

    /// Takes an ack, and tells the progress.
    pub(crate) fn acked(&self, ack: &Ack) {
        let now = Instant::now();
        let mut state = self.state();
        let before = state.milliseconds.len() as u64;
        if ack.level != Some(self.level) || ack.through <= before {
            return;
        }
        let State {
            handed,
            milliseconds,
        } = &mut *state;
        let through = usize::try_from(ack.through).unwrap_or(usize::MAX);
        for at in handed.iter().take(through).skip(milliseconds.len()) {
            milliseconds.push((now - *at).as_secs_f64() * 1e3);
        }
        drop(state);
        self.bar.set_position(ack.through);
        let passed = ack.through / self.every > before / self.every;
        if passed || ack.through == self.count {
            let rate = ack.through as f64 / self.began.elapsed().as_secs_f64();
            self.say(&format!(
                "{:>8} acked, {} a second",
                grouped(ack.through),
                grouped(rate as u64)
            ));
        }
    }

    /// Prints a line, above the bar if there is one.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| println!("{line}"));
    }

    /// Ends the bar, and returns average, median and 99th percentile in milliseconds.
    pub(crate) fn finish(&self) -> Option<[f64; 3]> {
        self.bar.finish_and_clear();
        let mut sorted = std::mem::take(&mut self.state().milliseconds);
        sorted.sort_by(f64::total_cmp);
        if sorted.is_empty() {
            return None;
        }
        let at = |q: f64| sorted[((sorted.len() - 1) as f64 * q).round() as usize];
        let sum: f64 = sorted.iter().sum();
        Some([sum / sorted.len() as f64, at(0.5), at(0.99)])
    }
}

/// A number with commas between its thousands.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let told = [0, 999, 1000, 10_000, 1_234_567].map(grouped);
        assert_eq!(told, ["0", "999", "1,000", "10,000", "1,234,567"]);
    }

    #[test]
    fn each_number_counts_once_and_only_at_its_level() {
        let meter = Meter::new(Level::Visible, 3, 1000);
        for _ in 0..3 {
            meter.handed();
        }
        let ack = |level, through| Ack {
            level,
            through,
            generation: 0,
        };
        meter.acked(&ack(Some(Level::Durable), 3));
        meter.acked(&ack(None, 3));
        meter.acked(&ack(Some(Level::Visible), 2));
        meter.acked(&ack(Some(Level::Visible), 2));
        assert_eq!(meter.state().milliseconds.len(), 2);
        assert!(meter.finish().is_some());
    }
}
