//! The core against a server that is a few lines: properties of go-back-N, and
//! what a newer server may send.

use std::time::Duration;

use proptest::prelude::*;
use prost::Message;
use tokio::time::Instant;

use crate::codec::entry;
use crate::core::{Core, Told};
use crate::events::{Ack, Level};
use crate::observation::Observation;
use crate::options::SessionOptions;
use crate::sending::Next;
use crate::v1::{self, memory_stream_request as out, memory_stream_response as inn};

fn frame(frame: inn::Frame) -> v1::MemoryStreamResponse {
    v1::MemoryStreamResponse { frame: Some(frame) }
}

fn welcome(next: u64, durable: u64, through: u64, bytes: u64) -> v1::MemoryStreamResponse {
    frame(inn::Frame::InitAck(v1::InitAck {
        session_id: "s-1".to_owned(),
        next_sequence: next,
        durable_sequence: durable,
        credits: Some(v1::Credits {
            through_sequence: through,
            bytes,
        }),
        ..Default::default()
    }))
}

fn ack(level: i32, through: u64, granted: u64) -> v1::MemoryStreamResponse {
    frame(inn::Frame::Ack(v1::Ack {
        status: level,
        through_sequence: through,
        generation: through,
        credits: Some(v1::Credits {
            through_sequence: granted,
            bytes: 400,
        }),
    }))
}

/// The server's side: what it has taken, in order, and what it has granted.
struct Server {
    taken: Vec<String>,
    durable: u64,
    granted: u64,
    refusing: bool,
}

impl Server {
    fn next(&self) -> u64 {
        self.taken.len() as u64 + 1
    }

    /// Takes a batch as the sequence rules say.
    fn take(&mut self, batch: &v1::ObservationBatch) {
        for (seq, observation) in (batch.first_sequence..).zip(&batch.observations) {
            assert!(seq <= self.granted, "{seq} was not granted");
            if seq == self.next() && !self.refusing {
                self.taken.push(observation.id.clone());
            }
        }
    }
}

fn sent(core: &mut Core, now: Instant) -> Option<v1::MemoryStreamRequest> {
    match core.next_frame(now) {
        Next::Wait(_) => None,
        Next::Frame(f) => {
            let bytes = [f.head, f.entries.concat()].concat();
            Some(v1::MemoryStreamRequest::decode(bytes.as_slice()).unwrap())
        }
    }
}

proptest! {
    /// Whatever is refused, cut and granted in whatever order: what the server
    /// takes is what was observed, each once, in order.
    #[test]
    fn each_once_in_order(actions in proptest::collection::vec(0u8..7, 1..200)) {
        let mut core = Core::new("space", SessionOptions { batch: 5, ..Default::default() });
        let mut server = Server { taken: vec![], durable: 0, granted: 3, refusing: false };
        let mut now = Instant::now();
        core.welcomed(welcome(1, 0, 3, 400)).unwrap();
        let mut observed = 0;
        for action in actions.into_iter().chain([6; 200]) {
            match action {
                0 | 1 => {
                    observed += 1;
                    let o = Observation::text("x".repeat(20)).id(format!("o-{observed}"));
                    let (seq, _) = core.push(entry(&o.to_wire().unwrap()));
                    prop_assert_eq!(seq, observed);
                }
                2 => {
                    server.refusing = true;
                    if let Some(m) = sent(&mut core, now)
                        && let Some(out::Frame::Observations(batch)) = m.frame
                    {
                        server.take(&batch);
                        let refusal = v1::Refusal {
                            expected_sequence: server.next(),
                            retry_after: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
                            ..Default::default()
                        };
                        core.take(frame(inn::Frame::Refusal(refusal)), now);
                        prop_assert!(sent(&mut core, now).is_none(), "sent before it was asked to");
                    }
                    server.refusing = false;
                }
                3 => { // the frame is lost with its stream, and what was not durable with a crash
                    let _ = sent(&mut core, now);
                    server.taken.truncate(usize::try_from(server.durable).unwrap());
                    core.welcomed(welcome(server.next(), server.durable, server.granted, 400)).unwrap();
                }
                4 => {
                    server.durable = server.taken.len() as u64;
                    server.granted = server.granted.max(server.durable + 7);
                    core.take(ack(Level::Durable as i32, server.durable, server.granted), now);
                }
                _ => {
                    core.hurry();
                    now += Duration::from_secs(2);
                    if let Some(m) = sent(&mut core, now)
                        && let Some(out::Frame::Observations(batch)) = m.frame
                    {
                        server.take(&batch);
                    }
                    server.durable = server.taken.len() as u64;
                    server.granted = server.granted.max(server.durable + 7);
                    core.take(ack(Level::Visible as i32, server.durable, server.granted), now);
                }
            }
        }
        let wanted: Vec<String> = (1..=observed).map(|n| format!("o-{n}")).collect();
        prop_assert_eq!(server.taken, wanted);
        prop_assert!(core.window.is_empty());
    }
}

fn opened() -> Core {
    let mut core = Core::new("space", SessionOptions::default());
    core.welcomed(welcome(1, 0, 100, 1 << 20)).unwrap();
    core
}

fn push(core: &mut Core, n: u64) {
    for i in 0..n {
        let o = Observation::text(format!("note {i}"));
        core.push(entry(&o.to_wire().unwrap()));
    }
}

#[tokio::test]
async fn what_a_newer_server_sends_is_survived() {
    let mut core = opened();
    push(&mut core, 3);
    let now = Instant::now();
    let _ = sent(&mut core, now + Duration::from_secs(1));
    // An ack of an unknown level is passed on, and changes nothing.
    let told = core.take(ack(9, 3, 100), now);
    let level = None;
    assert_eq!(
        told,
        Some(Told::Ack(Ack {
            level,
            through: 3,
            generation: 3
        }))
    );
    assert_eq!(core.acked(Level::Accepted), 0);
    // A state unknown here is told by its number.
    let status = v1::SessionStatus {
        state: 77,
        ..Default::default()
    };
    let Some(Told::Pressure(p)) = core.take(frame(inn::Frame::Status(status)), now) else {
        panic!("pressure is told");
    };
    assert_eq!(p.state, "77");
    // A frame, and a field, of numbers unknown here.
    let mut bytes = vec![0xfa, 0x01, 2, 8, 1]; // field 31, length-delimited
    assert_eq!(
        core.take(
            v1::MemoryStreamResponse::decode(bytes.as_slice()).unwrap(),
            now
        ),
        None
    );
    bytes.extend(ack(2, 2, 100).encode_to_vec());
    core.take(
        v1::MemoryStreamResponse::decode(bytes.as_slice()).unwrap(),
        now,
    );
    assert_eq!(core.acked(Level::Durable), 2);
}

#[tokio::test]
async fn acks_and_grants_never_move_backwards() {
    let mut core = opened();
    push(&mut core, 10);
    let now = Instant::now();
    core.hurry();
    let _ = sent(&mut core, now);
    core.take(ack(3, 8, 200), now);
    core.take(ack(2, 5, 50), now);
    assert_eq!((core.acked(Level::Durable), core.granted), (8, 200));
    assert_eq!(core.window.first(), 9);
}

#[tokio::test]
async fn a_session_goes_on_only_from_what_it_holds() {
    let mut core = opened();
    push(&mut core, 10);
    core.take(ack(2, 5, 100), Instant::now());
    let gone = core.welcomed(welcome(3, 2, 100, 100)).unwrap_err();
    assert_eq!(gone.reason(), "PAYLOADS_GONE");
    let other = core.welcomed(welcome(12, 11, 100, 100)).unwrap_err();
    assert_eq!(other.reason(), "SESSION_TAKEN_OVER");
    core.welcomed(welcome(7, 6, 100, 1000)).unwrap();
    assert_eq!((core.sent, core.window.first()), (6, 7));
}

#[tokio::test]
async fn a_repeated_rejection_is_told_once() {
    let mut core = opened();
    let rejection = || {
        let m = v1::Rejection {
            sequence: 4,
            reason: "ID_CONFLICT".to_owned(),
            ..Default::default()
        };
        frame(inn::Frame::Rejection(m))
    };
    let now = Instant::now();
    assert!(core.take(rejection(), now).is_some());
    assert!(core.take(rejection(), now).is_none());
    assert_eq!(core.take_kept().unwrap_err().rejections().len(), 1);
    assert!(core.take_kept().is_ok());
}

#[tokio::test]
async fn a_lost_answer_to_a_close_is_a_close_in_good_order() {
    let mut core = opened();
    push(&mut core, 2);
    let now = Instant::now();
    core.draining = true;
    core.hurry();
    let _ = sent(&mut core, now);
    core.take(ack(2, 2, 100), now);
    assert!(matches!(
        sent(&mut core, now).unwrap().frame,
        Some(out::Frame::Close(_))
    ));
    let why = crate::Error::new(crate::Code::NotFound, "SESSION_CLOSED", "closed");
    core.end(Some(why));
    let closed = core.closed.unwrap();
    assert!(closed.inferred);
    assert_eq!(closed.final_sequence, 2);
    assert_eq!(core.error.unwrap().reason(), "CLOSED");
}
