//! What is observed, and what is read of it.

use std::time::SystemTime;

use prost_types::value::Kind;
use serde_json::{Map, Value};

use crate::errors::{Error, Result};
use crate::{v1, vector};

/// Bytes of one observation. Servers take far less and say so by a rejection;
/// one that does not fit into a frame at all would end the whole stream.
const MAX_OBSERVATION: usize = 15 << 20;

/// Where, with whom, why and how something was observed.
pub type Context = v1::ObservationContext;

/// One thing to remember: a text, a vector, or both. Everything is optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Its name within the space; empty leaves it to the server.
    pub id: String,
    /// What was observed, in words.
    pub content: String,
    /// The vector it is found by.
    pub vector: Option<Vec<f32>>,
    /// Send the vector as binary16.
    pub half_precision: bool,
    /// When it was observed; without it, when it is received.
    pub observed_at: Option<SystemTime>,
    /// When it expires.
    pub expires_at: Option<SystemTime>,
    /// How sure the observer is, 0..1.
    pub confidence: Option<f32>,
    /// How much it matters, 0..1.
    pub importance: f32,
    /// From −1 to 1.
    pub emotional_valence: f32,
    /// How fast it should fade, ≥ 0.
    pub decay_rate: f32,
    /// Where, with whom, why and how.
    pub context: Option<Context>,
    /// Anything else, as a JSON object.
    pub metadata: Option<Map<String, Value>>,
    /// Replace what the space holds under this id.
    pub replace: bool,
    /// W3C trace context of the span it was observed in.
    pub traceparent: String,
}

impl Observation {
    /// An observation of a text.
    pub fn text(content: impl Into<String>) -> Self {
        Self {
            content: content.into(),
            ..Self::default()
        }
    }

    /// An observation of a vector.
    pub fn vector(vector: impl Into<Vec<f32>>) -> Self {
        Self {
            vector: Some(vector.into()),
            ..Self::default()
        }
    }

    /// The same under an id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The message; fails when the wire cannot carry it.
    pub(crate) fn to_wire(&self) -> Result<v1::Observation> {
        let m = v1::Observation {
            id: self.id.clone(),
            content: self.content.clone(),
            embedding: self
                .vector
                .as_ref()
                .map(|v| vector::pack(v, self.half_precision)),
            observed_at: self.observed_at.map(Into::into),
            confidence: self.confidence,
            importance: self.importance,
            context: self.context.clone(),
            emotional_valence: self.emotional_valence,
            decay_rate: self.decay_rate,
            metadata: self.metadata.as_ref().map(to_struct),
            expires_at: self.expires_at.map(Into::into),
            replace: self.replace,
            traceparent: self.traceparent.clone(),
            ..Default::default()
        };
        let size = prost::Message::encoded_len(&m);
        if size > MAX_OBSERVATION {
            let told = format!("the observation has {size} bytes; the limit is {MAX_OBSERVATION}");
            return Err(Error::new(tonic::Code::InvalidArgument, "TOO_LARGE", told));
        }
        Ok(m)
    }
}

impl From<&str> for Observation {
    fn from(content: &str) -> Self {
        Self::text(content)
    }
}

impl From<v1::Observation> for Observation {
    fn from(m: v1::Observation) -> Self {
        let read = m.embedding.and_then(vector::unpack);
        let (vector, half_precision) = read.map_or((None, false), |(v, half)| (Some(v), half));
        Self {
            id: m.id,
            content: m.content,
            vector,
            half_precision,
            observed_at: m.observed_at.and_then(|t| t.try_into().ok()),
            expires_at: m.expires_at.and_then(|t| t.try_into().ok()),
            confidence: m.confidence,
            importance: m.importance,
            emotional_valence: m.emotional_valence,
            decay_rate: m.decay_rate,
            context: m.context,
            metadata: m.metadata.map(from_struct),
            replace: m.replace,
            traceparent: m.traceparent,
        }
    }
}

/// An observation as a space holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// What was sent, with the defaults that were filled in.
    pub observation: Observation,
    /// The generation under which it became visible.
    pub generation: u64,
    /// When that generation was committed.
    pub committed_at: Option<SystemTime>,
    /// Why it is kept from recall; empty if it is not.
    pub quarantine: String,
}

impl From<v1::StoredObservation> for Stored {
    fn from(m: v1::StoredObservation) -> Self {
        Self {
            observation: m.observation.unwrap_or_default().into(),
            generation: m.generation,
            committed_at: m.committed_at.and_then(|t| t.try_into().ok()),
            quarantine: m.quarantine_reason,
        }
    }
}

fn to_struct(map: &Map<String, Value>) -> prost_types::Struct {
    let fields = map.iter().map(|(k, v)| (k.clone(), to_value(v)));
    prost_types::Struct {
        fields: fields.collect(),
    }
}

/// A JSON value as the contract carries it: numbers are binary64.
pub(crate) fn to_value(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(b) => Kind::BoolValue(*b),
        Value::Number(n) => Kind::NumberValue(n.as_f64().unwrap_or(f64::NAN)),
        Value::String(s) => Kind::StringValue(s.clone()),
        Value::Array(list) => Kind::ListValue(prost_types::ListValue {
            values: list.iter().map(to_value).collect(),
        }),
        Value::Object(map) => Kind::StructValue(to_struct(map)),
    };
    prost_types::Value { kind: Some(kind) }
}

fn from_struct(m: prost_types::Struct) -> Map<String, Value> {
    let fields = m.fields.into_iter().map(|(k, v)| (k, from_value(v)));
    fields.collect()
}

fn from_value(m: prost_types::Value) -> Value {
    match m.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(b)) => b.into(),
        // Whole numbers come back as such: JSON tells 3 from 3.0, binary64 does not.
        Some(Kind::NumberValue(n)) if n.fract() == 0.0 && n.abs() < (1u64 << 53) as f64 => {
            (n as i64).into()
        }
        Some(Kind::NumberValue(n)) => n.into(),
        Some(Kind::StringValue(s)) => s.into(),
        Some(Kind::ListValue(l)) => l.values.into_iter().map(from_value).collect(),
        Some(Kind::StructValue(s)) => Value::Object(from_struct(s)),
    }
}
