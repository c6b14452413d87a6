//! Against a real server, and through real cuts.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engram_client::{
    Client, Code, Consistency, Cue, Level, Observation, ObserveOptions, RecallOptions,
    SessionOptions, filter, v1, within,
};
use prost::Message;
use serde_json::json;
use support::{Proxy, Server};

fn note(n: u32) -> Observation {
    let components = (0..8).map(|j| ((31 * n + 17 * j) % 101) as f32 / 64.0);
    let mut out = Observation::vector(components.collect::<Vec<_>>()).id(format!("o-{n}"));
    out.content = format!("note {n}");
    out.metadata = json!({"n": n, "odd": n % 2 == 1}).as_object().cloned();
    out
}

/// Fails when a test hangs; nothing depends on how long it takes.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(120);
    tokio::time::timeout(limit, what).await.expect("it hangs")
}

async fn ids(client: &Client, space: &str) -> Vec<String> {
    let listed = client.list(space, 0, None).await.unwrap();
    listed.into_iter().map(|s| s.observation.id).collect()
}

fn numbered(n: u32) -> Vec<String> {
    (1..=n).map(|n| format!("o-{n}")).collect()
}

#[tokio::test]
async fn what_is_observed_is_kept_found_and_forgotten() {
    let server = Server::start(&[]);
    let client = Client::new(&server.address).unwrap();
    let session = client
        .open_session("notes", SessionOptions::default())
        .await
        .unwrap();
    for n in 1..=500 {
        assert_eq!(session.observe(note(n)).await.unwrap(), u64::from(n));
    }
    soon(session.flush()).await.unwrap();
    assert_eq!(session.acked(Level::Visible), 500);
    let generation = session.generation();
    assert_eq!(ids(&client, "notes").await, numbered(500));

    let mut recall = RecallOptions::vector(note(7).vector.unwrap());
    recall.consistency = Consistency::At(generation);
    recall.with_vectors = true;
    recall.filter = Some(filter::where_all([filter::eq("metadata.odd", true)]));
    let found = client.recall("notes", recall).await.unwrap();
    assert_eq!(found.results[0].observation.id, "o-7");
    assert_eq!(found.results[0].observation.vector, note(7).vector);
    assert_eq!(found.generation, generation);
    let odd = |o: &Observation| o.metadata.as_ref().unwrap()["odd"] == json!(true);
    assert!(found.results.iter().all(|r| odd(&r.observation)));

    let read = client.get("notes", &["o-3", "gone"]).await.unwrap();
    let mut read_back = read.observations[0].observation.clone();
    (read_back.confidence, read_back.observed_at) = (None, None); // filled in by the server
    assert_eq!(read_back, note(3));
    assert_eq!(read.missing, ["gone"]);
    assert_eq!(client.forget("notes", &["o-3"]).await.unwrap(), 1);
    let past = RecallOptions {
        consistency: Consistency::At(generation + 1000),
        ..RecallOptions::new(Cue::Id("o-7".to_owned()))
    };
    let ahead = client.recall("notes", past).await.unwrap_err();
    assert_eq!(ahead.code(), Code::OutOfRange);

    let closed = soon(session.close()).await.unwrap();
    assert_eq!((closed.final_sequence, closed.accepted), (500, 500));
    assert_eq!(soon(session.close()).await.unwrap(), closed);
    assert_eq!(
        session.observe("late").await.unwrap_err().reason(),
        "CLOSED"
    );
}

#[tokio::test]
async fn each_once_and_in_order_through_cuts() {
    let server = Server::start(&[]);
    let proxy = Proxy::new(&server.address);
    let through = Client::new(&proxy.address).unwrap();
    let session = soon(through.open_session("cuts", SessionOptions::default()))
        .await
        .unwrap();
    for part in 0..5 {
        proxy.cut_after(40_000);
        for n in part * 2_000 + 1..=part * 2_000 + 2_000 {
            soon(session.observe(note(n))).await.unwrap();
        }
        soon(session.flush()).await.unwrap();
    }
    assert_eq!(proxy.cuts(), 5);
    assert!(session.stats().reconnects >= 5);
    let direct = Client::new(&server.address).unwrap();
    assert_eq!(ids(&direct, "cuts").await, numbered(10_000));
    let closed = soon(session.close()).await.unwrap();
    assert_eq!(closed.accepted, 10_000);
}

#[tokio::test]
async fn a_rejection_is_told_once_and_the_rest_is_kept() {
    let server = Server::start(&[]);
    let client = Client::new(&server.address).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let hearing = Arc::clone(&told);
    let options = SessionOptions {
        on_rejection: Some(Arc::new(move |r| {
            hearing.lock().unwrap().push(r.sequence);
        })),
        ..SessionOptions::default()
    };
    let session = client.open_session("rejected", options).await.unwrap();
    session.observe(note(1)).await.unwrap();
    session.observe(note(2).id("o-1")).await.unwrap();
    session
        .observe(Observation::vector([1.0, 2.0]))
        .await
        .unwrap();
    session.observe(note(4)).await.unwrap();
    let err = soon(session.flush()).await.unwrap_err();
    let mut reasons: Vec<_> = err
        .rejections()
        .iter()
        .map(|r| (r.sequence, r.reason.as_str()))
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [(2, "ID_CONFLICT"), (3, "INVALID_DIMENSION")]);
    let mut told = told.lock().unwrap().clone();
    told.sort_unstable();
    assert_eq!(told, [2, 3]);
    soon(session.flush()).await.unwrap();
    let closed = soon(session.close()).await.unwrap();
    assert_eq!((closed.accepted, closed.rejected), (2, 2));
}

#[tokio::test]
async fn who_is_taken_over_ends_and_who_takes_over_goes_on() {
    let server = Server::start(&[]);
    let client = Client::new(&server.address).unwrap();
    let first = client
        .open_session("taken", SessionOptions::default())
        .await
        .unwrap();
    first.observe(note(1)).await.unwrap();
    soon(first.flush()).await.unwrap();
    let resume = SessionOptions {
        resume: first.id(),
        ..SessionOptions::default()
    };
    let second = client.open_session("taken", resume).await.unwrap();
    assert_eq!(soon(first.ended()).await.reason(), "SESSION_TAKEN_OVER");
    let late = first.observe(note(2)).await.unwrap_err();
    assert_eq!(late.reason(), "SESSION_TAKEN_OVER");
    assert_eq!(second.observe(note(2)).await.unwrap(), 2);
    assert_eq!(soon(second.close()).await.unwrap().accepted, 2);
}

#[tokio::test]
async fn a_memory_recalls_what_was_observed_on_it_before() {
    let server = Server::start(&[]);
    let client = Client::new(&server.address).unwrap();
    let memory = client
        .open_memory("memory", SessionOptions::default())
        .await
        .unwrap();
    for n in 1..=50 {
        memory.observe(note(n)).await.unwrap();
        let mut recall = RecallOptions::vector(note(n).vector.unwrap());
        recall.limit = 1;
        let found = soon(memory.recall(recall)).await.unwrap();
        assert_eq!(found.results[0].observation.id, format!("o-{n}"));
    }
    soon(memory.close()).await.unwrap();
}

#[tokio::test]
async fn deadlines_and_full_buffers_are_errors() {
    let server = Server::start(&[]);
    let proxy = Proxy::new(&server.address);
    let client = Client::new(&proxy.address).unwrap();
    let options = SessionOptions {
        buffer: 2,
        blocking: false,
        reconnect_for: Duration::from_millis(200),
        ..SessionOptions::default()
    };
    let session = soon(client.open_session("away", options)).await.unwrap();
    drop(proxy); // from here on nobody answers
    session.observe(note(1)).await.unwrap();
    session.observe(note(2)).await.unwrap();
    match session.observe(note(3)).await {
        Err(err) if err.reason() == "BUFFER_FULL" => assert!(err.retryable()),
        other => assert!(session.error().is_some(), "{other:?}"), // it has given up already
    }
    let late = within(Duration::from_nanos(1), session.flush()).await;
    assert!(late.is_err());
    let err = soon(session.ended()).await;
    assert_eq!((err.code(), err.reason()), (Code::Unavailable, "TRANSPORT"));
    assert_eq!(soon(session.close()).await.unwrap_err(), err);
}

#[tokio::test]
async fn calls_outside_of_sessions() {
    let server = Server::start(&[]);
    let client = Client::new(&server.address).unwrap();
    let created = v1::CreateSpaceRequest {
        space: "calls".to_owned(),
        dimension: 8,
        ..Default::default()
    };
    assert_eq!(client.create_space(created).await.unwrap().dimension, 8);
    let batch = [note(1), note(2)];
    let observed = client.observe("calls", &batch, ObserveOptions::default());
    let observed = observed.await.unwrap();
    assert_eq!(observed.ids, ["o-1", "o-2"]);
    let again = client.observe("calls", &batch, ObserveOptions::default());
    assert_eq!(again.await.unwrap().duplicates, 2);
    let space = client.get_space("calls").await.unwrap();
    let index = space.index.unwrap();
    assert_eq!(index.scanned_by(), v1::ScanCodes::None);
    assert_eq!(index.policy(), v1::IndexPolicy::Full);
    assert_eq!((index.codes_withheld, index.code_recall), (false, 0.0));
    assert_eq!((space.dead_rows, space.resident_rows), (0, 2));
    let memory = space.memory.unwrap();
    assert!(memory.rows > 0 && memory.used >= memory.rows);
    let newer = v1::IndexStatus {
        scanned_by: 99,
        ..index
    };
    let told = v1::IndexStatus::decode(newer.encode_to_vec().as_slice()).unwrap();
    assert_eq!(told.scanned_by, 99); // of a newer server: as it is, and none of those known
    assert_eq!(told.scanned_by(), v1::ScanCodes::Unspecified);
    let unknown = client.get_space("nowhere").await.unwrap_err();
    assert_eq!(unknown.code_name(), "not_found");
    assert!(!unknown.reason().is_empty() && unknown.reason() != "TRANSPORT");
    assert_eq!(client.delete_space("calls").await.unwrap(), 2);
    client.close();
    let closed = client.get_space("calls").await.unwrap_err();
    assert_eq!(closed.reason(), "CLOSED");
}

fn program(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rust_client"));
    command
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn cell<'a>(out: &'a str, name: &str) -> &'a str {
    let row = out.lines().find(|line| line.starts_with(name));
    row.unwrap_or_default().split_whitespace().nth(1).unwrap()
}

#[test]
fn the_program_loses_nothing_through_a_cut() {
    let server = Server::start(&[]);
    let proxy = Proxy::new(&server.address);
    let mut running = program(&[
        "--server-addr",
        &proxy.address,
        "--rate",
        "1000",
        "--count",
        "10000",
        "--space-id",
        "my_space",
    ])
    .spawn()
    .unwrap();
    let mut out = String::new();
    for line in BufReader::new(running.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if proxy.cuts() == 0 && line.contains(" acked, ") {
            proxy.cut_after(100_000);
        }
        out += &line;
        out.push('\n');
    }
    let mut err = String::new();
    running
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(0), "{out}{err}");
    for (name, value) in [
        ("sent", "10,000"),
        ("acked", "10,000"),
        ("rejected", "0"),
        ("reconnects", "1"),
    ] {
        assert_eq!(cell(&out, name), value, "{out}");
    }
    assert!(out.contains("recall finds 20 of 20"), "{out}");
    let told = out.lines().filter(|line| line.contains(" acked, ")).count();
    assert!(told >= 9, "{out}");
    assert_eq!(proxy.cuts(), 1);
}

#[test]
fn the_program_heeds_pressure() {
    let server = Server::start(&[
        "--queue-normal",
        "300",
        "--session-window",
        "300",
        "--worker-count",
        "1",
    ]);
    let Output { status, stdout, .. } = program(&[
        "--server-addr",
        &server.address,
        "--rate",
        "0",
        "--count",
        "20000",
        "--dimension",
        "32",
        "--space-id",
        "pressed",
        "--enable-backpressure",
        "--buffer-size",
        "1000",
        "--seed",
        "7",
    ])
    .output()
    .unwrap();
    let out = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{out}");
    assert!(out.contains("of the rate"), "{out}");
    assert_eq!(cell(&out, "acked"), "20,000");
}

#[test]
fn without_a_server_the_program_fails() {
    let Output { status, stderr, .. } =
        program(&["--server-addr", "127.0.0.1:1"]).output().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(String::from_utf8(stderr).unwrap().contains("unavailable"));
}
