//! Client of Engram, the streaming memory server.
//!
//! A [`Session`] streams observations into a space and keeps what
//! docs/sdk-behaviour.md promises of every SDK; a [`Client`] opens sessions and
//! makes all other calls.
//!
//! ```no_run
//! use engram_client::{Client, RecallOptions, SessionOptions};
//!
//! # async fn example() -> engram_client::Result<()> {
//! let client = Client::new("localhost:50051")?;
//! let session = client.open_session("notes", SessionOptions::default()).await?;
//! session.observe("the kettle is in the red box").await?;
//! session.close().await?; // kept, and recall finds it
//! let found = client.recall("notes", RecallOptions::text("where is the kettle?")).await?;
//! println!("{}", found.results[0].observation.content);
//! # Ok(())
//! # }
//! ```
//!
//! Deadlines are given from outside: [`within`]`(duration, session.flush())`.

mod client;
mod codec;
mod core;
#[cfg(test)]
mod core_tests;
mod driver;
mod endpoint;
mod errors;
mod events;
pub mod filter;
mod observation;
mod options;
mod pace;
mod recall;
mod recalls;
mod sending;
mod session;
mod vector;
mod window;

/// The messages of the contract, generated from proto/.
#[allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::all)]
#[rustfmt::skip]
#[path = "gen/engram.v1.rs"]
pub mod v1;

/// What the README shows has to compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

use std::time::Duration;

pub use client::{Client, ObserveOptions, Observed, Read};
pub use errors::{Error, Result};
pub use events::{Ack, Closed, Level, Pressure, Rejection, Stats};
pub use observation::{Context, Observation, Stored};
pub use options::{Callback, SessionOptions};
pub use recall::{Consistency, Cue, Found, Recall, RecallOptions};
pub use session::Session;
pub use tonic::Code;

/// Gives a call a time: when it is over, the error is `deadline_exceeded`. What
/// that does to a session is said where it is waited for.
pub async fn within<T>(time: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(time, call).await {
        Ok(out) => out,
        Err(_) => Err(Error::deadline(time)),
    }
}
