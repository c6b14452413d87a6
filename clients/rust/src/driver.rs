//! What keeps a session connected: one task, which sends, receives and reconnects.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::codec::{Frame, FrameCodec};
use crate::core::Told;
use crate::endpoint::MAX_ANSWER;
use crate::errors::{Error, Result};
use crate::events::duration;
use crate::pace::{LONGEST, Pace};
use crate::sending::Next;
use crate::session::Shared;
use crate::v1::{self, memory_stream_response as inn};

/// How long the server's last word is waited for after sending failed.
const LAST_WORD: Duration = Duration::from_secs(2);

const OBSERVE_STREAM: &str = "/engram.v1.MemoryService/ObserveStream";
const MEMORY_STREAM: &str = "/engram.v1.MemoryService/MemoryStream";

/// One stream to the server. Dropping it ends the call.
pub(crate) struct Stream {
    outbound: mpsc::Sender<Frame>,
    inbound: Streaming<v1::MemoryStreamResponse>,
}

/// Why a stream ended, and when to come back if the server said so; without an
/// error, the session is closed.
type Ended = (Option<Error>, Option<Duration>);

/// Opens a stream, introduces the session and takes over where the server says it stands.
pub(crate) async fn connect(shared: &Shared) -> Result<Stream> {
    let limit = shared.lock().options.connect_timeout;
    match timeout(limit, introduce(shared)).await {
        Ok(out) => out,
        Err(_) => Err(Error::transport(format!(
            "the server did not answer within {limit:?}"
        ))),
    }
}

async fn introduce(shared: &Shared) -> Result<Stream> {
    let (outbound, frames) = mpsc::channel(1);
    let (init, traceparent) = {
        let core = shared.lock();
        (core.init_frame(), core.options.traceparent.clone())
    };
    let _ = outbound.try_send(init); // there is room for one
    let mut request = shared.endpoint.request(ReceiverStream::new(frames));
    if let Ok(value) = traceparent.parse()
        && !traceparent.is_empty()
    {
        request.metadata_mut().insert("traceparent", value);
    }
    let mut call = tonic::client::Grpc::new(shared.endpoint.channel.clone())
        .max_decoding_message_size(MAX_ANSWER);
    call.ready()
        .await
        .map_err(|err| Error::transport(err.to_string()))?;
    let path = match shared.recalls {
        true => MEMORY_STREAM,
        false => OBSERVE_STREAM,
    };
    let answer = call
        .streaming(request, PathAndQuery::from_static(path), FrameCodec)
        .await?;
    let mut inbound = answer.into_inner();
    let first = inbound.message().await?.ok_or_else(ended)?;
    shared.lock().welcomed(first)?;
    shared.changed.notify_waiters();
    Ok(Stream { outbound, inbound })
}

fn ended() -> Error {
    Error::transport("the server ended the stream")
}

/// Keeps the session connected until it is over.
pub(crate) async fn run(shared: Arc<Shared>, stream: Stream) {
    let end = Finish(&shared);
    let mut stopped = shared.stop.subscribe();
    let why = tokio::select! {
        biased;
        _ = stopped.wait_for(|stop| *stop) => Some(Error::closed()),
        why = keep_connected(&shared, stream) => why,
    };
    shared.lock().end(why);
    drop(end);
}

/// Tells those who wait that the task has ended, however it does.
struct Finish<'a>(&'a Shared);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        let mut core = self.0.lock();
        if core.error.is_none() {
            let told = "the session's task failed";
            core.end(Some(Error::new(Code::Internal, "CLIENT_BUG", told)));
        }
        drop(core);
        self.0.finished.send_replace(true);
        self.0.changed.notify_waiters();
    }
}

async fn keep_connected(shared: &Shared, mut stream: Stream) -> Option<Error> {
    let mut pace = Pace::new(shared.lock().options.reconnect_for);
    loop {
        let began = Instant::now();
        let (why, after) = attend(shared, stream).await;
        let why = why?;
        if why.is_final() && after.is_none() {
            return Some(why);
        }
        let now = Instant::now();
        let useful = {
            let mut core = shared.lock();
            core.recalls.cut();
            core.progressed() || now - began > LONGEST
        };
        shared.changed.notify_waiters();
        pace.begin(now, useful);
        stream = match reconnect(shared, why, after.unwrap_or_default(), &mut pace).await {
            Ok(stream) => stream,
            Err(err) => return Some(err),
        };
    }
}

/// Tries until it succeeds, the server says it never will, or the time for it is over.
async fn reconnect(
    shared: &Shared,
    why: Error,
    after: Duration,
    pace: &mut Pace,
) -> Result<Stream> {
    let mut wait = match pace.fresh {
        true => after,
        false => after.max(pace.next()),
    };
    if Instant::now() > pace.deadline {
        return Err(why);
    }
    loop {
        sleep(wait).await;
        match connect(shared).await {
            Ok(stream) => {
                shared.lock().stats.reconnects += 1;
                return Ok(stream);
            }
            Err(err) if err.reason() == "SESSION_EXPIRED" && shared.lock().start_over() => {
                wait = Duration::ZERO;
            }
            Err(err) if !err.comes_back() || Instant::now() > pace.deadline => return Err(err),
            Err(err) => wait = pace.next().max(err.retry_after()),
        }
    }
}

/// Sends and receives until the stream ends.
async fn attend(shared: &Shared, stream: Stream) -> Ended {
    let Stream { outbound, inbound } = stream;
    let receiving = receive(shared, inbound);
    tokio::pin!(receiving);
    tokio::select! {
        end = &mut receiving => return end,
        () = send(shared, outbound) => {}
    }
    // The server's last word counts for more than that sending failed.
    match timeout(LAST_WORD, receiving).await {
        Ok(end) => end,
        Err(_) => (Some(ended()), None),
    }
}

async fn send(shared: &Shared, outbound: mpsc::Sender<Frame>) {
    // What is sent is decided as late as possible: when there is room for it.
    while let Ok(room) = outbound.reserve().await {
        let frame = loop {
            let next = shared.lock().next_frame(Instant::now());
            match next {
                Next::Frame(frame) => break frame,
                Next::Wait(None) => shared.work.notified().await,
                Next::Wait(Some(till)) => tokio::select! {
                    () = shared.work.notified() => {}
                    () = sleep_until(till) => {}
                },
            }
        };
        room.send(frame);
        if shared.recalls {
            shared.changed.notify_waiters(); // a recall waits until what it has to see is under way
        }
    }
}

async fn receive(shared: &Shared, mut inbound: Streaming<v1::MemoryStreamResponse>) -> Ended {
    let mut away: Option<(Error, Duration)> = None;
    let why = loop {
        let frame = match inbound.message().await {
            Ok(Some(frame)) => frame,
            Ok(None) => break ended(),
            Err(status) => break Error::from(status),
        };
        if let Some(inn::Frame::GoAway(g)) = &frame.frame {
            let told = "the server asked this stream to go away";
            let err = Error::new(Code::Aborted, &g.reason, told);
            if !g.resumable {
                return (Some(err), None);
            }
            let after = duration(g.resume_after);
            away = Some((err.retry(after), after));
            continue;
        }
        // An ack is told before it counts: when a flush returns, the callbacks
        // have heard of everything that it waited for.
        if let Some(inn::Frame::Ack(ack)) = &frame.frame {
            tell(shared, &Told::Ack(ack.into()));
        }
        let (told, closed) = {
            let mut core = shared.lock();
            let told = core.take(frame, Instant::now());
            (told, core.closed.is_some())
        };
        shared.changed.notify_waiters();
        shared.work.notify_one();
        if let Some(told) = told.filter(|told| !matches!(told, Told::Ack(_))) {
            tell(shared, &told);
        }
        if closed {
            return (None, None);
        }
    };
    match away {
        Some((gone, after)) => (Some(gone), Some(after)),
        None => (Some(why), None),
    }
}

/// Tells the callbacks; what one of them panics with is kept for the next flush.
fn tell(shared: &Shared, told: &Told) {
    let options = &shared.callbacks;
    let ran = catch_unwind(AssertUnwindSafe(|| match told {
        Told::Ack(ack) => options.on_ack.as_ref().map(|call| call(ack)),
        Told::Rejection(r) => options.on_rejection.as_ref().map(|call| call(r)),
        Told::Pressure(p) => options.on_pressure.as_ref().map(|call| call(p)),
    }));
    if ran.is_err() {
        let told = "a callback of the session panicked";
        let err = Error::new(Code::Internal, "CALLBACK", told);
        shared.lock().callback_failed.get_or_insert(err);
    }
}
