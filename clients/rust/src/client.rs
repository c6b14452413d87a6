//! Clients: one connection to a server, and the calls outside of sessions.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use tokio_stream::Stream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::endpoint::{Endpoint, MAX_ANSWER};
use crate::errors::{Error, Result};
use crate::events::{Level, Rejection};
use crate::observation::{Observation, Stored};
use crate::options::SessionOptions;
use crate::recall::{Found, Recall, RecallOptions};
use crate::session::{Session, Shared};
use crate::v1::{
    self, memory_service_client::MemoryServiceClient, space_service_client::SpaceServiceClient,
};

/// How a batch is taken in one call. The default is no session and VISIBLE.
#[derive(Clone, Debug, Default)]
pub struct ObserveOptions {
    /// How far the observations must have come before the answer.
    pub wait_for: Option<Level>,
    /// Fail with `not_found` in place of creating the space.
    pub must_exist: bool,
    /// The session; empty, with `first_sequence` 1, opens one.
    pub session_id: String,
    /// The number of the first observation in its session; 0 without session.
    pub first_sequence: u64,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "rejections are among it"]
pub struct Observed {
    /// One per observation.
    pub ids: Vec<String>,
    /// The generation at which everything kept is visible.
    pub generation: u64,
    /// How many were there already with the same content.
    pub duplicates: u32,
    /// What was not kept.
    pub rejections: Vec<Rejection>,
    /// The session; empty without one.
    pub session_id: String,
    /// The number that the session expects next.
    pub next_sequence: u64,
}

impl Observed {
    /// The rejections as an error; none if everything was kept.
    pub fn error(&self) -> Option<Error> {
        let rejections = self.rejections.clone();
        (!rejections.is_empty()).then(|| Error::rejected(rejections, 0))
    }
}

/// What was read by id.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Those found, in the order asked for.
    pub observations: Vec<Stored>,
    /// The ids that the space does not hold.
    pub missing: Vec<String>,
    /// The generation the answer is from.
    pub generation: u64,
}

/// A client of one server. Clones share its connection.
///
/// Calls are made once: retrying is up to the caller, and safe for reads, for
/// observations with ids of their own, and within sessions.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Endpoint,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    closed: AtomicBool,
    sessions: Mutex<Vec<Weak<Shared>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Client {
    /// A client of the server at `host:port` or `http://host:port`. It connects
    /// when it is first used; it has to be made within a Tokio runtime.
    pub fn new(target: &str) -> Result<Self> {
        Ok(Self {
            endpoint: Endpoint::new(target)?,
            state: Arc::default(),
        })
    }

    /// The same with a header in every call.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self> {
        self.endpoint.header(name, value)?;
        Ok(self)
    }

    /// The same with a key in every call.
    pub fn with_key(self, key: &str) -> Result<Self> {
        self.with_header("authorization", &format!("Bearer {key}"))
    }

    /// Ends the use of this client and its clones: sessions that are open are
    /// given up where they stand, later calls fail.
    pub fn close(&self) {
        self.state.closed.store(true, Ordering::SeqCst);
        let sessions = std::mem::take(&mut *self.sessions());
        for session in sessions.iter().filter_map(Weak::upgrade) {
            session.leave();
        }
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Shared>>> {
        let sessions = self.state.sessions.lock();
        sessions.unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> Result<&Endpoint> {
        match self.state.closed.load(Ordering::SeqCst) {
            true => Err(Error::closed()),
            false => Ok(&self.endpoint),
        }
    }

    fn memory(&self) -> Result<MemoryServiceClient<Channel>> {
        let channel = self.live()?.channel.clone();
        Ok(MemoryServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER))
    }

    fn spaces(&self) -> Result<SpaceServiceClient<Channel>> {
        Ok(SpaceServiceClient::new(self.live()?.channel.clone()))
    }

    // --- sessions -----------------------------------------------------------

    /// Opens a session, or resumes one. It is tried once.
    pub async fn open_session(&self, space: &str, options: SessionOptions) -> Result<Session> {
        self.open(space, options, false).await
    }

    /// As `open_session`, of one that recalls on its stream.
    pub async fn open_memory(&self, space: &str, options: SessionOptions) -> Result<Session> {
        self.open(space, options, true).await
    }

    async fn open(&self, space: &str, options: SessionOptions, recalls: bool) -> Result<Session> {
        let endpoint = self.live()?.clone();
        let session = Session::open(endpoint, space, options, recalls).await?;
        let mut sessions = self.sessions();
        sessions.retain(|s| s.strong_count() > 0);
        sessions.push(Arc::downgrade(session.shared()));
        drop(sessions);
        self.live()?;
        Ok(session)
    }

    // --- observations -------------------------------------------------------

    /// Takes a batch in one call; a session is for streaming. Those that were
    /// not kept are in the answer.
    pub async fn observe(
        &self,
        space: &str,
        observations: &[Observation],
        options: ObserveOptions,
    ) -> Result<Observed> {
        let observations: Result<Vec<_>> = observations.iter().map(Observation::to_wire).collect();
        let request = self.endpoint.request(v1::ObserveRequest {
            space: space.to_owned(),
            session_id: options.session_id,
            first_sequence: options.first_sequence,
            observations: observations?,
            wait_for: options.wait_for.map_or(0, |level| level as i32),
            must_exist: options.must_exist,
            ..Default::default()
        });
        let m = self.memory()?.observe(request).await?.into_inner();
        Ok(Observed {
            ids: m.observation_ids,
            generation: m.generation,
            duplicates: m.duplicates,
            rejections: m.rejections.into_iter().map(Into::into).collect(),
            session_id: m.session_id,
            next_sequence: m.next_sequence,
        })
    }

    /// Reads observations by id, with their vectors.
    pub async fn get(&self, space: &str, ids: &[&str]) -> Result<Read> {
        let request = self.endpoint.request(v1::GetObservationsRequest {
            space: space.to_owned(),
            ids: ids.iter().map(|&id| id.to_owned()).collect(),
            include: None,
        });
        let m = self.memory()?.get_observations(request).await?.into_inner();
        Ok(Read {
            observations: m.observations.into_iter().map(Into::into).collect(),
            missing: m.missing_ids,
            generation: m.generation,
        })
    }

    /// All observations of a space in generation order, from the generation
    /// after `since`, page by page and all of one generation.
    pub async fn list(
        &self,
        space: &str,
        since: u64,
        filter: Option<v1::Filter>,
    ) -> Result<Vec<Stored>> {
        let mut out = Vec::new();
        let mut request = v1::ListObservationsRequest {
            space: space.to_owned(),
            page_size: 1000,
            since_generation: since,
            filter,
            ..Default::default()
        };
        loop {
            let asked = self.endpoint.request(request.clone());
            let page = self.memory()?.list_observations(asked).await?.into_inner();
            out.extend(page.observations.into_iter().map(Stored::from));
            if page.next_page_token.is_empty() {
                return Ok(out);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Deletes by id, and returns how many there were.
    pub async fn forget(&self, space: &str, ids: &[&str]) -> Result<u64> {
        let ids = ids.iter().map(|&id| id.to_owned()).collect();
        self.forgotten(space, ids, None).await
    }

    /// Deletes what matches a filter, and returns how many there were.
    pub async fn forget_where(&self, space: &str, filter: v1::Filter) -> Result<u64> {
        self.forgotten(space, Vec::new(), Some(filter)).await
    }

    async fn forgotten(
        &self,
        space: &str,
        ids: Vec<String>,
        filter: Option<v1::Filter>,
    ) -> Result<u64> {
        let space = space.to_owned();
        let asked = v1::ForgetRequest { space, ids, filter };
        let answer = self.memory()?.forget(self.endpoint.request(asked)).await?;
        Ok(answer.into_inner().forgotten)
    }

    /// Observations as they become visible, from the generation after `since`;
    /// none is from now on. Dropping the stream ends the call.
    pub async fn watch_space(
        &self,
        space: &str,
        since: Option<u64>,
    ) -> Result<impl Stream<Item = Result<Stored>> + use<>> {
        let request = self.endpoint.request(v1::WatchSpaceRequest {
            space: space.to_owned(),
            since_generation: since,
            ..Default::default()
        });
        let answers = self.memory()?.watch_space(request).await?.into_inner();
        Ok(items(answers, |m: v1::WatchSpaceResponse| m.observations))
    }

    // --- recalls ------------------------------------------------------------

    /// Finds the observations of a space nearest to a cue.
    pub async fn recall(&self, space: &str, options: RecallOptions) -> Result<Recall> {
        let request = self.endpoint.request(options.to_wire(space)?);
        let m = self.memory()?.recall(request).await?.into_inner();
        let snapshot = m.snapshot.unwrap_or_default();
        Ok(Recall::of(m.results, snapshot, m.stats))
    }

    /// Recalls, with the results as they come. Dropping the stream ends the call.
    pub async fn recall_stream(
        &self,
        space: &str,
        options: RecallOptions,
    ) -> Result<impl Stream<Item = Result<Found>> + use<>> {
        let request = self.endpoint.request(v1::RecallStreamRequest {
            recall: Some(options.to_wire(space)?),
            increment: 0,
        });
        let answers = self.memory()?.recall_stream(request).await?.into_inner();
        Ok(items(answers, |m: v1::RecallStreamResponse| m.results))
    }

    // --- spaces -------------------------------------------------------------

    /// Creates a space; with the same settings it may be there already.
    pub async fn create_space(&self, request: v1::CreateSpaceRequest) -> Result<v1::Space> {
        let asked = self.endpoint.request(request);
        let answer = self.spaces()?.create_space(asked).await?.into_inner();
        Ok(answer.space.unwrap_or_default())
    }

    /// Reads a space and its statistics.
    pub async fn get_space(&self, space: &str) -> Result<v1::Space> {
        let space = space.to_owned();
        let asked = self.endpoint.request(v1::GetSpaceRequest { space });
        let answer = self.spaces()?.get_space(asked).await?.into_inner();
        Ok(answer.space.unwrap_or_default())
    }

    /// Deletes a space and everything in it; returns how many observations there were.
    pub async fn delete_space(&self, space: &str) -> Result<u64> {
        let space = space.to_owned();
        let asked = self.endpoint.request(v1::DeleteSpaceRequest { space });
        let answer = self.spaces()?.delete_space(asked).await?;
        Ok(answer.into_inner().forgotten)
    }
}

/// The items of a stream of answers, one by one.
fn items<M, W, T: From<W>>(
    answers: Streaming<M>,
    of: impl Fn(M) -> Vec<W>,
) -> impl Stream<Item = Result<T>> {
    Items {
        answers,
        of,
        ready: Vec::new().into_iter(),
        item: PhantomData,
    }
}

struct Items<M, W, F, T> {
    answers: Streaming<M>,
    of: F,
    ready: std::vec::IntoIter<W>,
    item: PhantomData<fn() -> T>,
}

impl<M, W, F, T> Unpin for Items<M, W, F, T> {}

impl<M, W, T: From<W>, F: Fn(M) -> Vec<W>> Stream for Items<M, W, F, T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.ready.next() {
                return Poll::Ready(Some(Ok(T::from(item))));
            }
            match ready!(Pin::new(&mut self.answers).poll_next(cx)) {
                Some(Ok(m)) => self.ready = (self.of)(m).into_iter(),
                Some(Err(status)) => return Poll::Ready(Some(Err(status.into()))),
                None => return Poll::Ready(None),
            }
        }
    }
}
