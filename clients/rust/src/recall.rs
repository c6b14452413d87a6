//! Recalls: what is asked, and what is found.

use std::time::{Duration, SystemTime};

use crate::errors::{Error, Result};
use crate::events::duration;
use crate::observation::Observation;
use crate::{v1, vector};

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Cue {
    /// A text, in a space that has an embedder.
    Text(String),
    /// A vector of the space's dimension.
    Vector(Vec<f32>),
    /// An observation by its id; it is itself left out.
    Id(String),
}

/// Which state of the space is answered from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Everything visible now; on a memory, everything observed on it before.
    #[default]
    Latest,
    /// Waits until this generation is visible: read your own writes.
    AtLeast(u64),
    /// Exactly this generation.
    At(u64),
    /// The last generation at or before this time.
    AsOf(SystemTime),
}

/// A recall: one cue, and how to look for it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecallOptions {
    /// What is looked for.
    pub cue: Cue,
    /// How many results there may be, 1..10,000; 0 leaves it at 10.
    pub limit: u32,
    /// Leaves out what is less similar.
    pub min_similarity: Option<f32>,
    /// Only what matches: see [`filter`](crate::filter).
    pub filter: Option<v1::Filter>,
    /// Which state is answered from.
    pub consistency: Consistency,
    /// The width of the graph search; 0 leaves it to the server.
    pub effort: u32,
    /// Compare with every observation.
    pub exact: bool,
    /// Results carry their vectors.
    pub with_vectors: bool,
}

impl RecallOptions {
    /// A recall by a cue.
    pub fn new(cue: Cue) -> Self {
        Self {
            cue,
            limit: 0,
            min_similarity: None,
            filter: None,
            consistency: Consistency::Latest,
            effort: 0,
            exact: false,
            with_vectors: false,
        }
    }

    /// A recall by a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Cue::Text(text.into()))
    }

    /// A recall by a vector.
    pub fn vector(vector: impl Into<Vec<f32>>) -> Self {
        Self::new(Cue::Vector(vector.into()))
    }

    pub(crate) fn to_wire(&self, space: &str) -> Result<v1::RecallRequest> {
        use v1::consistency::Mode;
        use v1::recall_request::Cue as Wire;
        let cue = match &self.cue {
            Cue::Text(text) => Wire::Text(text.clone()),
            Cue::Vector(v) if v.is_empty() => {
                return Err(Error::invalid("cue", "the vector is empty"));
            }
            Cue::Vector(v) => Wire::Embedding(vector::pack(v, false)),
            Cue::Id(id) => Wire::ObservationId(id.clone()),
        };
        let mode = match self.consistency {
            Consistency::Latest => None,
            Consistency::AtLeast(generation) => Some(Mode::AtLeast(generation)),
            Consistency::At(generation) => Some(Mode::At(generation)),
            Consistency::AsOf(time) => Some(Mode::AsOf(time.into())),
        };
        Ok(v1::RecallRequest {
            space: space.to_owned(),
            cue: Some(cue),
            limit: self.limit,
            min_similarity: self.min_similarity,
            filter: self.filter.clone(),
            consistency: mode.map(|mode| v1::Consistency { mode: Some(mode) }),
            effort: self.effort,
            exact: self.exact,
            include: self.with_vectors.then_some(v1::Include {
                content: true,
                embedding: true,
                metadata: true,
            }),
        })
    }
}

/// One observation that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The observation.
    pub observation: Observation,
    /// Cosine: −1..1. Dot: the product. Euclidean: 1 / (1 + distance).
    pub similarity: f32,
    /// The generation under which it became visible.
    pub generation: u64,
    /// Found through the graph rather than by the scan of fresh rows.
    pub in_graph: bool,
}

impl From<v1::RecallResult> for Found {
    fn from(m: v1::RecallResult) -> Self {
        Self {
            observation: m.observation.unwrap_or_default().into(),
            similarity: m.similarity,
            generation: m.generation,
            in_graph: m.in_graph,
        }
    }
}

/// The answer to a recall: results of one generation, best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Recall {
    /// What was found.
    pub results: Vec<Found>,
    /// The generation.
    pub generation: u64,
    /// When it was committed.
    pub committed_at: Option<SystemTime>,
    /// Rows that were scanned since no graph holds them yet.
    pub unindexed: u64,
    /// Age of the oldest durable row that is not visible yet.
    pub staleness: Duration,
    /// The space still reads its journal after a start.
    pub replaying: bool,
    /// Rows compared by scanning.
    pub scanned: u64,
    /// Time inside the server.
    pub took: Duration,
}

impl Recall {
    pub(crate) fn of(
        results: Vec<v1::RecallResult>,
        snapshot: v1::Snapshot,
        stats: Option<v1::RecallStats>,
    ) -> Self {
        let stats = stats.unwrap_or_default();
        Self {
            results: results.into_iter().map(Into::into).collect(),
            generation: snapshot.generation,
            committed_at: snapshot.committed_at.and_then(|t| t.try_into().ok()),
            unindexed: snapshot.unindexed,
            staleness: duration(snapshot.staleness),
            replaying: snapshot.replaying,
            scanned: stats.scanned,
            took: duration(stats.took),
        }
    }
}
