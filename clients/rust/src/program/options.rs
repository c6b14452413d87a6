//! The command line.

use clap::{Parser, ValueEnum};
use engram_client::Level;

/// Stream observations into Engram at a steady rate, and prove that they arrived.
///
/// The session keeps to the server's credits, sends again what was refused, and
/// resumes after cuts, with growing pauses. With --enable-backpressure the client
/// also slows its own rate down while the server tells of pressure, and holds no
/// more than --buffer-size observations that are not yet on stable storage.
#[derive(Clone, Debug, Parser)]
#[command(name = "rust_client", version)]
pub(crate) struct Options {
    /// host:port of the server
    #[arg(long, default_value = "localhost:50051")]
    pub(crate) server_addr: String,
    /// Observations a second; 0: as fast as it goes
    #[arg(long, default_value_t = 1000.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// Observations in all
    #[arg(long, default_value_t = 10_000)]
    pub(crate) count: usize,
    /// The space
    #[arg(long, default_value = "my_space")]
    pub(crate) space_id: String,
    /// Of the vectors, in a new space
    #[arg(long, default_value_t = 384, value_parser = clap::value_parser!(u16).range(2..=4096))]
    pub(crate) dimension: u16,
    /// Slow down while the server tells of pressure
    #[arg(long)]
    pub(crate) enable_backpressure: bool,
    /// With it: observations held, at the most
    #[arg(long, default_value_t = 1000, value_parser = buffer)]
    pub(crate) buffer_size: usize,
    /// Acked observations between two lines of progress
    #[arg(long, default_value_t = 1000)]
    pub(crate) progress_every: u64,
    /// The level that counts as acked
    #[arg(long, value_enum, default_value = "visible")]
    pub(crate) ack_level: AckLevel,
    /// Of the vectors; left out, they are others every time
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Seconds for which to go on without a server, before giving up
    #[arg(long, default_value_t = 300)]
    pub(crate) reconnect_for: u64,
}

/// A level, as the command line spells it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AckLevel {
    /// On stable storage
    Durable,
    /// Recall finds it
    Visible,
    /// Part of the index
    Indexed,
}

impl From<AckLevel> for Level {
    fn from(level: AckLevel) -> Self {
        match level {
            AckLevel::Durable => Self::Durable,
            AckLevel::Visible => Self::Visible,
            AckLevel::Indexed => Self::Indexed,
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
        _ => Err("a rate is a number from 0 on".to_owned()),
    }
}

fn buffer(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a buffer holds at least 1".to_owned()),
        Ok(n) => Ok(n),
    }
}
