//! Sessions: numbered streams of observations into one space.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tonic::Code;

use crate::codec::entry;
use crate::core::Core;
use crate::driver;
use crate::endpoint::Endpoint;
use crate::errors::{Error, Result};
use crate::events::{Closed, Level, Pressure, Stats};
use crate::observation::Observation;
use crate::options::SessionOptions;
use crate::recall::{Recall, RecallOptions};

/// What a session and its task share. Only `core` is locked, and never across a wait.
pub(crate) struct Shared {
    pub(crate) endpoint: Endpoint,
    pub(crate) callbacks: SessionOptions,
    pub(crate) recalls: bool,
    core: Mutex<Core>,
    pub(crate) changed: Notify, // for those who wait
    pub(crate) work: Notify,    // for the sender
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) finished: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        // Nothing that panics runs under the lock; if it does, the task says so.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something can be said of the core.
    async fn until<T>(&self, mut said: impl FnMut(&mut Core) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable(); // before looking: no change is missed
            if let Some(out) = said(&mut self.lock()) {
                return out;
            }
            changed.await;
        }
    }

    /// Ends the session where it stands.
    pub(crate) fn leave(&self) {
        self.stop.send_replace(true);
    }
}

/// A numbered stream of observations into one space.
///
/// It batches, keeps to the credits the server grants, sends again what was
/// refused, and comes back by itself after a cut, a restart or a crash of the
/// server. It holds every observation until the server has it on stable
/// storage: nothing is lost and nothing is applied twice.
///
/// All methods may be called at the same time. A session owns one task, which
/// ends with it. Dropped before it was closed, it says on stderr what may be lost.
pub struct Session {
    shared: Arc<Shared>,
}

impl Session {
    pub(crate) async fn open(
        endpoint: Endpoint,
        space: &str,
        options: SessionOptions,
        recalls: bool,
    ) -> Result<Self> {
        for (field, value) in [("batch", options.batch), ("buffer", options.buffer)] {
            if value == 0 {
                let told = format!("{field} is 0; it has to be at least 1");
                return Err(Error::invalid(field, told));
            }
        }
        let shared = Arc::new(Shared {
            endpoint,
            callbacks: options.clone(),
            recalls,
            core: Mutex::new(Core::new(space, options)),
            changed: Notify::new(),
            work: Notify::new(),
            stop: watch::Sender::new(false),
            finished: watch::Sender::new(false),
        });
        let stream = driver::connect(&shared).await?;
        tokio::spawn(driver::run(Arc::clone(&shared), stream));
        Ok(Self { shared })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Hands an observation over and returns its number, from 1 and without gaps.
    ///
    /// It waits for room in the buffer, not for the server. Dropped while it
    /// waits, nothing was handed over.
    pub async fn observe(&self, observation: impl Into<Observation>) -> Result<u64> {
        let entry = entry(&observation.into().to_wire()?);
        let blocking = self.shared.callbacks.blocking;
        let (seq, wake) = self
            .shared
            .until(|core| match core.room(entry.len()) {
                Err(err) => Some(Err(err)),
                Ok(true) => Some(Ok(core.push(entry.clone()))),
                Ok(false) if blocking => None,
                Ok(false) => {
                    let told = "the session's buffer is full";
                    let full = Error::new(Code::ResourceExhausted, "BUFFER_FULL", told);
                    Some(Err(full.retry(Duration::ZERO)))
                }
            })
            .await?;
        if wake {
            self.shared.work.notify_one();
        }
        Ok(seq)
    }

    /// Waits until everything observed so far has reached the level `flush_to`.
    ///
    /// Fails with what was rejected since last asked, and with what ended the
    /// session. Dropped, it leaves the session as it is.
    pub async fn flush(&self) -> Result<()> {
        let last = self.shared.lock().hurry();
        self.shared.work.notify_one();
        self.reached(self.shared.callbacks.flush_to, last).await?;
        self.shared.lock().take_kept()
    }

    /// Waits until everything through a number has reached a level.
    pub async fn reached(&self, level: Level, through: u64) -> Result<()> {
        self.shared
            .until(|core| match &core.error {
                _ if core.acked(level) >= through => Some(Ok(())),
                Some(err) => Some(Err(err.clone())),
                None => None,
            })
            .await
    }

    /// Waits until everything is decided and visible, ends the session for good,
    /// and returns what the server counted; called again, it returns the same.
    ///
    /// Dropped while it waits, it gives the session up where it stands.
    pub async fn close(&self) -> Result<Closed> {
        self.finish(false).await?;
        let mut core = self.shared.lock();
        core.take_kept()?;
        core.closed.ok_or_else(Error::closed)
    }

    /// Waits until everything is on stable storage, and lets go of the session
    /// without ending it: one opened with `resume` goes on with it.
    ///
    /// Dropped while it waits, it gives the session up where it stands.
    pub async fn detach(&self) -> Result<()> {
        self.finish(true).await?;
        self.shared.lock().take_kept()
    }

    async fn finish(&self, detach: bool) -> Result<()> {
        struct Leave<'a>(&'a Shared);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.leave();
            }
        }
        let shared = &self.shared;
        let leave = Leave(shared);
        {
            let mut core = shared.lock();
            (core.draining, core.detaching) = (true, detach);
            core.hurry();
        }
        shared.work.notify_one();
        let out = shared
            .until(|core| {
                let done = match detach {
                    true => core.acked(Level::Durable) >= core.last(),
                    false => core.closed.is_some(),
                };
                match (&core.error, core.closed) {
                    (Some(_), Some(_)) => Some(Ok(())),
                    (Some(err), None) => Some(Err(err.clone())),
                    _ => done.then_some(Ok(())),
                }
            })
            .await;
        drop(leave);
        let mut finished = shared.finished.subscribe();
        let _ = finished.wait_for(|done| *done).await; // the sender lives in `shared`
        out
    }

    /// Gives the session up where it stands. The server keeps it, to be resumed.
    pub fn abandon(&self) {
        self.shared.leave();
    }

    /// Waits until the session has ended, and says why; `CLOSED` in good order.
    pub async fn ended(&self) -> Error {
        self.shared.until(|core| core.error.clone()).await
    }

    /// Asks for no more credits (true), or for credits again (false).
    pub fn pause(&self, paused: bool) {
        self.shared.lock().pause(paused);
        self.shared.work.notify_one();
    }

    /// Asks for no more than so many observations a second; 0 leaves it to the server.
    pub fn limit(&self, rate: u32) {
        self.shared.lock().limit(rate);
        self.shared.work.notify_one();
    }

    /// Its name on the server: keep it to resume.
    pub fn id(&self) -> String {
        self.shared.lock().id.clone()
    }

    /// The space's dimension when the stream was opened; 0 if none was fixed.
    pub fn dimension(&self) -> u32 {
        self.shared.lock().dimension
    }

    /// The newest generation known to hold its observations: pass it to a recall as `at_least`.
    pub fn generation(&self) -> u64 {
        self.shared.lock().generation
    }

    /// The number that the next observation gets.
    pub fn next_sequence(&self) -> u64 {
        self.shared.lock().last() + 1
    }

    /// The number through which everything has reached a level.
    pub fn acked(&self, level: Level) -> u64 {
        self.shared.lock().acked(level)
    }

    /// The counts so far.
    pub fn stats(&self) -> Stats {
        self.shared.lock().stats
    }

    /// The pressure as last told; none if none was.
    pub fn pressure(&self) -> Option<Pressure> {
        self.shared.lock().pressure.clone()
    }

    /// What ended the session; none while it goes on.
    pub fn error(&self) -> Option<Error> {
        self.shared.lock().error.clone()
    }

    /// Finds what is near a cue, among everything observed before and what else
    /// the space holds; only of a session that was opened as a memory.
    ///
    /// What still waits is sent first. If something had to be sent again
    /// meanwhile, it waits for VISIBLE and asks again, once.
    pub async fn recall(&self, options: RecallOptions) -> Result<Recall> {
        if !self.shared.recalls {
            let told = "the session recalls nothing: open a memory";
            return Err(Error::new(Code::FailedPrecondition, "NO_MEMORY", told));
        }
        let request = options.to_wire("")?;
        let own = request.consistency.is_some();
        let last = self.shared.lock().hurry();
        self.shared.work.notify_one();
        let rewinds = self
            .shared
            .until(|core| match &core.error {
                Some(err) => Some(Err(err.clone())),
                None if core.sent >= last || core.acked(Level::Durable) >= last => {
                    Some(Ok(core.rewinds))
                }
                None => None,
            })
            .await?;
        let rewound = || self.shared.lock().rewinds != rewinds;
        let mut answer = self.ask(request.clone()).await;
        let missed = match &answer {
            Ok(a) if !own => a.covered < last,
            Ok(_) => rewound(),
            // The space may come with what was refused.
            Err(err) => err.code() == Code::NotFound && rewound(),
        };
        if missed {
            self.reached(Level::Visible, last).await?;
            answer = self.ask(request).await;
        }
        let a = answer?;
        Ok(Recall::of(a.results, a.snapshot.unwrap_or_default(), None))
    }

    async fn ask(&self, request: crate::v1::RecallRequest) -> Result<crate::recalls::Answer> {
        let answer = {
            let mut core = self.shared.lock();
            if let Some(err) = &core.error {
                return Err(err.clone());
            }
            core.recalls.ask(request)
        };
        self.shared.work.notify_one();
        answer.await.unwrap_or_else(|_| Err(Error::closed()))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = self.shared.lock();
        f.debug_struct("Session")
            .field("id", &core.id)
            .field("space", &core.space)
            .field("error", &core.error)
            .field("stats", &core.stats)
            .finish()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let core = self.shared.lock();
        let lost = core.last().saturating_sub(core.stats.durable);
        if core.error.is_none() && core.stats.observed > 0 && lost > 0 {
            let id = &core.id;
            eprintln!(
                "engram: session {id} was not closed: {lost} observations are not known to be kept"
            );
        }
        drop(core);
        self.shared.leave();
    }
}
