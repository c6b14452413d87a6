//! Streams observations into Engram at a steady rate, and proves that they arrived.
//!
//! `cargo run -- --server-addr localhost:50051 --rate 1000 --count 10000 --space-id my_space
//! [--enable-backpressure --buffer-size 1000]`

mod program;

use std::process::ExitCode;

use clap::Parser;
use program::options::Options;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let run = async {
        tokio::select! {
            out = program::run::run(options) => out.map(|lost| u8::from(lost > 0)),
            _ = tokio::signal::ctrl_c() => Ok(130),
        }
    };
    match run.await {
        Ok(code) => ExitCode::from(code),
        Err(err) => {
            eprintln!("rust_client: {err}");
            ExitCode::FAILURE
        }
    }
}
