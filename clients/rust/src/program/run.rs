//! Streaming, proving, and the final table.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engram_client::{
    Client, Closed, Consistency, Level, Observation, RecallOptions, Result, Session, SessionOptions,
};

use super::governor::Governor;
use super::meter::{Meter, grouped};
use super::options::Options;

/// Between two turns of sending.
const TICK: Duration = Duration::from_millis(10);

/// Observations that are recalled at the end.
const PROBES: usize = 20;

/// Streams, proves and reports; returns how many were lost or not found.
pub(crate) async fn run(o: Options) -> Result<u64> {
    let client = Client::new(&o.server_addr)?;
    let governor = Arc::new(Governor::new(o.rate, o.enable_backpressure));
    let meter = Arc::new(Meter::new(o.ack_level.into(), o.count, o.progress_every));
    let session = client
        .open_session(&o.space_id, settings(&o, &governor, &meter))
        .await?;
    let rate = match o.rate {
        0.0 => "any rate".to_owned(),
        rate => format!("{rate} a second"),
    };
    meter.say(&format!(
        "session {} into {}: {} observations of {}-d at {rate}",
        session.id(),
        o.space_id,
        grouped(o.count as u64),
        o.dimension
    ));
    let seed = o.seed.unwrap_or_else(|| fastrand::u64(..));
    let began = Instant::now();
    stream(&session, &o, seed, &governor, &meter).await?;
    if let Err(err) = session.flush().await {
        match err.rejections() {
            [] => return Err(err),
            _ => eprintln!("{err}"), // counted below
        }
    }
    let took = began.elapsed();
    let last = session.acked(Level::Durable);
    session.reached(Level::Visible, last).await?;
    let generation = session.generation();
    let closed = session.close().await?;
    let missing = prove(&client, &session, &o, seed, generation).await?;
    table(
        &session,
        &closed,
        &meter,
        o.count as f64 / took.as_secs_f64(),
    );
    let kept = match closed.inferred {
        true => closed.final_sequence - session.stats().rejected,
        false => closed.accepted,
    };
    let lost = (o.count as u64).saturating_sub(kept);
    if lost + missing > 0 {
        eprintln!("{lost} lost, {missing} not found");
    }
    Ok(lost + missing)
}

fn settings(o: &Options, governor: &Arc<Governor>, meter: &Arc<Meter>) -> SessionOptions {
    let mut settings = SessionOptions {
        flush_to: o.ack_level.into(),
        reconnect_for: Duration::from_secs(o.reconnect_for),
        ..SessionOptions::default()
    };
    if o.enable_backpressure {
        settings.buffer = o.buffer_size;
    }
    let (governor, pressed) = (Arc::clone(governor), Arc::clone(meter));
    settings.on_pressure = Some(Arc::new(move |p| {
        if let Some(line) = governor.hear(p) {
            pressed.say(&line);
        }
    }));
    let meter = Arc::clone(meter);
    settings.on_ack = Some(Arc::new(move |ack| meter.acked(ack)));
    settings
}

/// The vector of an observation: the same for the same seed.
fn vector(seed: u64, number: usize, dimension: u16) -> Vec<f32> {
    let mut rng = fastrand::Rng::with_seed(seed.wrapping_add(number as u64));
    (0..dimension).map(|_| rng.f32() * 2.0 - 1.0).collect()
}

/// Hands everything over, at the rate.
async fn stream(
    session: &Session,
    o: &Options,
    seed: u64,
    governor: &Governor,
    meter: &Meter,
) -> Result<()> {
    let id = session.id();
    let mut tick = tokio::time::interval(TICK);
    let (mut owed, mut last, mut at) = (0.0, Instant::now(), 0);
    while at < o.count {
        tick.tick().await;
        let now = Instant::now();
        // A stall is not made up for in a burst.
        let most = governor.due(Duration::from_secs(1)) + 1.0;
        owed = f64::min(owed + governor.due(now - last), most);
        last = now;
        while owed >= 1.0 && at < o.count {
            let mut observation = Observation::text(format!("observation {at}"));
            observation.id = format!("{id}-{at}");
            observation.vector = Some(vector(seed, at, o.dimension));
            meter.handed();
            session.observe(observation).await?;
            (at, owed) = (at + 1, owed - 1.0);
        }
    }
    Ok(())
}

/// Recalls some of what was sent; returns how many were not found first by their own vectors.
async fn prove(
    client: &Client,
    session: &Session,
    o: &Options,
    seed: u64,
    generation: u64,
) -> Result<u64> {
    let chosen = fastrand::choose_multiple(0..o.count, PROBES);
    if session.stats().rejected > 0 || chosen.is_empty() {
        return Ok(0); // what was rejected is told, and counted as lost
    }
    let mut found = 0;
    for &i in &chosen {
        let mut recall = RecallOptions::vector(vector(seed, i, o.dimension));
        (recall.limit, recall.exact) = (1, true);
        recall.consistency = Consistency::AtLeast(generation);
        let answer = client.recall(&o.space_id, recall).await?;
        let first = answer.results.first().map(|r| r.observation.id.as_str());
        found += u64::from(first == Some(&format!("{}-{i}", session.id())));
    }
    println!(
        "recall finds {found} of {}, each first by its own vector; space at generation {}",
        chosen.len(),
        grouped(generation)
    );
    Ok(chosen.len() as u64 - found)
}

/// Prints the final table.
fn table(session: &Session, closed: &Closed, meter: &Meter, throughput: f64) {
    let stats = session.stats();
    let latencies = meter.finish();
    let ms = |i: usize| latencies.map_or("–".to_owned(), |l| format!("{:.2} ms", l[i]));
    let acked = match closed.inferred {
        true => closed.final_sequence - stats.rejected,
        false => closed.accepted,
    };
    for (name, value) in [
        ("sent", grouped(stats.sent)),
        ("acked", grouped(acked)),
        ("rejected", grouped(stats.rejected)),
        ("refused", grouped(stats.refused)),
        ("resent", grouped(stats.resent)),
        ("reconnects", grouped(stats.reconnects)),
        ("average", ms(0)),
        ("p50", ms(1)),
        ("p99", ms(2)),
        ("throughput", format!("{}/s", grouped(throughput as u64))),
    ] {
        println!("{name:<10}  {value:>12}");
    }
}
