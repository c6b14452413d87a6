//! The recalls of a session: those to be sent, and those sent.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;
use tonic::Code;

use crate::codec::Frame;
use crate::errors::{Error, Result};
use crate::v1;

/// The answer to a recall on a stream: everything through `covered` was visible to it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) results: Vec<v1::RecallResult>,
    pub(crate) snapshot: Option<v1::Snapshot>,
    pub(crate) covered: u64,
}

type Deliver = oneshot::Sender<Result<Answer>>;

/// Recalls by request id. The session guards it, as it does the core.
#[derive(Debug, Default)]
pub(crate) struct Recalls {
    last: u64,
    queue: VecDeque<(u64, Frame)>,
    waiting: HashMap<u64, (Deliver, Vec<v1::RecallResult>)>,
}

impl Recalls {
    /// Queues a recall; the answer comes by the receiver.
    pub(crate) fn ask(&mut self, recall: v1::RecallRequest) -> oneshot::Receiver<Result<Answer>> {
        self.last += 1;
        let (deliver, answer) = oneshot::channel();
        self.waiting.insert(self.last, (deliver, Vec::new()));
        let frame = v1::memory_stream_request::Frame::Recall(v1::StreamRecall {
            request_id: self.last,
            recall: Some(recall),
        });
        self.queue.push_back((self.last, Frame::of(frame)));
        answer
    }

    /// The next frame to be sent; those that nobody waits for any more are passed over.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        while let Some((id, frame)) = self.queue.pop_front() {
            if self.waiting.get(&id).is_some_and(|(d, _)| !d.is_closed()) {
                return Some(frame);
            }
            self.waiting.remove(&id);
        }
        None
    }

    /// Takes an answer, or a part of one.
    pub(crate) fn answer(&mut self, m: v1::StreamRecallResults) {
        let Some((deliver, mut parts)) = self.waiting.remove(&m.request_id) else {
            return;
        };
        parts.extend(m.results);
        let told = match m.error {
            Some(e) => {
                let code = i32::try_from(e.code).map_or(Code::Unknown, Code::from_i32);
                Err(Error::new(code, &e.reason, e.message))
            }
            None if m.more => {
                self.waiting.insert(m.request_id, (deliver, parts));
                return;
            }
            None => Ok(Answer {
                results: parts,
                snapshot: m.snapshot,
                covered: m.covered_sequence,
            }),
        };
        let _ = deliver.send(told); // whoever asked may have gone
    }

    /// Fails what was sent on a stream that ended; what was not goes on the next one.
    pub(crate) fn cut(&mut self) {
        let mut sent: Vec<u64> = self.waiting.keys().copied().collect();
        sent.retain(|id| self.queue.iter().all(|(queued, _)| queued != id));
        for id in sent {
            if let Some((deliver, _)) = self.waiting.remove(&id) {
                let ended = "the stream ended before the recall was answered; ask again";
                let _ = deliver.send(Err(Error::transport(ended)));
            }
        }
    }

    /// Fails all.
    pub(crate) fn fail(&mut self, err: &Error) {
        self.queue.clear();
        for (_, (deliver, _)) in self.waiting.drain() {
            let _ = deliver.send(Err(err.clone()));
        }
    }
}
