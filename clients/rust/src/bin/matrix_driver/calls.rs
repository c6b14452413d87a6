//! The steps outside of sessions, and recalls.

use std::pin::pin;
use std::time::UNIX_EPOCH;

use engram_client::{
    Client, Consistency, Cue, Error, Found, ObserveOptions, RecallOptions, Stored, filter, v1,
    within,
};
use serde_json::{Value, json};
use tokio_stream::{Stream, StreamExt};

use super::{Failure, Script, limit, make, sessions, text};

/// The client that a step names.
pub(crate) fn client(script: &Script, step: &Value) -> Result<Client, Failure> {
    let name = step["client"].as_str().unwrap_or("a").to_owned();
    let mut clients = script.clients.lock().unwrap();
    if let Some(made) = clients.get(&name) {
        return Ok(made.clone());
    }
    let made = Client::new(&script.address)?;
    clients.insert(name, made.clone());
    Ok(made)
}

pub(crate) async fn run(script: &Script, op: &str, step: &Value) -> Result<Value, Failure> {
    let (c, space, time) = (client(script, step)?, text(step, "space"), limit(step));
    Ok(match op {
        "create_space" => {
            let metric = match text(step, "metric") {
                "cosine" => v1::Metric::Cosine,
                "dot" => v1::Metric::Dot,
                "euclidean" => v1::Metric::Euclidean,
                _ => v1::Metric::Unspecified,
            };
            let window = step["history_window_ms"].as_i64();
            let request = v1::CreateSpaceRequest {
                space: space.to_owned(),
                dimension: step["dimension"].as_u64().unwrap_or(0) as u32,
                metric: metric.into(),
                embedder: text(step, "embedder").to_owned(),
                history_window: window.map(|ms| prost_types::Duration {
                    seconds: ms / 1000,
                    nanos: (ms % 1000) as i32 * 1_000_000,
                }),
                ..Default::default()
            };
            about(&within(time, c.create_space(request)).await?, false)
        }
        "get_space" => about(&within(time, c.get_space(space)).await?, true),
        "delete_space" => json!({"forgotten": within(time, c.delete_space(space)).await?}),
        "observe_call" => observe(script, step).await?,
        "recall" => recall(script, step).await?,
        "recall_stream" => {
            let options = options(script, step)?;
            let found: Vec<Found> = within(time, async {
                collect(c.recall_stream(space, options).await?, usize::MAX).await
            })
            .await?;
            results(&found)
        }
        "list" => {
            let since = step["since"].as_u64().unwrap_or(0);
            stored(&within(time, c.list(space, since, chosen(&step["filter"]))).await?)
        }
        "watch" => {
            let (since, count) = (step["since"].as_u64(), step["count"].as_u64());
            let first = within(time, async {
                let stream = c.watch_space(space, since).await?;
                collect(stream, count.unwrap_or(0) as usize).await
            });
            stored(&first.await?)
        }
        "get" => {
            let read = within(time, c.get(space, &ids(step))).await?;
            let found: Value = read.observations.iter().map(whole).collect();
            json!({"found": found, "missing": read.missing})
        }
        "forget" => json!({"forgotten": match chosen(&step["filter"]) {
            Some(filter) => within(time, c.forget_where(space, filter)).await?,
            None => within(time, c.forget(space, &ids(step))).await?,
        }}),
        "close_client" => {
            c.close();
            json!({})
        }
        _ => return Err(Failure::Unsupported),
    })
}

async fn collect<T>(
    stream: impl Stream<Item = Result<T, Error>>,
    count: usize,
) -> Result<Vec<T>, Error> {
    let mut stream = pin!(stream);
    let mut out = Vec::new();
    while out.len() < count {
        match stream.next().await {
            Some(item) => out.push(item?),
            None => break,
        }
    }
    Ok(out)
}

fn ids(step: &Value) -> Vec<&str> {
    let list = step["ids"].as_array().into_iter().flatten();
    list.filter_map(Value::as_str).collect()
}

fn about(s: &v1::Space, counted: bool) -> Value {
    let metric = v1::Metric::try_from(s.metric).unwrap_or_default();
    let metric = metric.as_str_name().trim_start_matches("METRIC_");
    let kind = s.embedder.as_ref().map_or("", |e| e.kind.as_str());
    let mut out = json!({"dimension": s.dimension, "metric": metric.to_lowercase(),
        "embedder": kind});
    if counted {
        out["generation"] = json!(s.generation);
        out["observations"] = json!(s.observations);
    }
    out
}

async fn observe(script: &Script, step: &Value) -> Result<Value, Failure> {
    let bounds = step["from"].as_i64().unwrap_or(1)..=step["to"].as_i64().unwrap_or(0);
    let batch: Vec<_> = bounds
        .map(|n| make::observation(n, &step["make"]))
        .collect();
    let named = text(step, "session");
    let known = script.observed.lock().unwrap().get(named).cloned();
    let options = ObserveOptions {
        wait_for: sessions::level(text(step, "wait_for")),
        must_exist: step["must_exist"] == true,
        session_id: known.unwrap_or_default(),
        first_sequence: step["first"].as_u64().unwrap_or(u64::from(named == "new")),
    };
    let c = client(script, step)?;
    let out = within(limit(step), c.observe(text(step, "space"), &batch, options)).await?;
    if let Some(name) = step["as"].as_str() {
        let mut observed = script.observed.lock().unwrap();
        observed.insert(name.to_owned(), out.session_id.clone());
    }
    if let Some(err) = out.error() {
        return Err(err.into());
    }
    let next = match out.session_id.as_str() {
        "" => 0,
        _ => out.next_sequence,
    };
    Ok(json!({"ids": out.ids, "generation": out.generation,
        "duplicates": out.duplicates, "next": next}))
}

fn options(script: &Script, step: &Value) -> Result<RecallOptions, Failure> {
    let cue = &step["cue"];
    let mut o = RecallOptions::new(if let Some(n) = cue["n"].as_i64() {
        Cue::Vector(make::vector(n, &cue["make"]))
    } else if let Some(list) = cue["vector"].as_array() {
        let numbers = list.iter().filter_map(Value::as_f64).map(|x| x as f32);
        Cue::Vector(numbers.collect())
    } else if let Some(id) = cue["id"].as_str() {
        Cue::Id(id.to_owned())
    } else {
        Cue::Text(text(cue, "text").to_owned())
    });
    o.limit = step["limit"].as_u64().unwrap_or(0) as u32;
    o.min_similarity = step["min_similarity"].as_f64().map(|x| x as f32);
    o.filter = chosen(&step["filter"]);
    o.exact = step["exact"] == true;
    o.with_vectors = step["vectors"] == true;
    let mode = &step["consistency"];
    o.consistency = if let Some(g) = mode["at_least"].as_u64() {
        Consistency::AtLeast(g)
    } else if let Some(g) = mode["at"].as_u64() {
        Consistency::At(g)
    } else if let Some(name) = mode["as_of"].as_str() {
        let time = script.committed.lock().unwrap().get(name).copied();
        Consistency::AsOf(time.ok_or_else(|| Failure::Broken(format!("no recall {name:?}")))?)
    } else {
        Consistency::Latest
    };
    Ok(o)
}

async fn recall(script: &Script, step: &Value) -> Result<Value, Failure> {
    let options = options(script, step)?;
    let with_vectors = options.with_vectors;
    let answer = if step["in"].is_string() {
        let (s, _) = sessions::session(script, step, "in")?;
        within(limit(step), s.recall(options)).await?
    } else {
        let c = client(script, step)?;
        within(limit(step), c.recall(text(step, "space"), options)).await?
    };
    if let (Some(name), Some(time)) = (step["as"].as_str(), answer.committed_at) {
        let mut committed = script.committed.lock().unwrap();
        committed.insert(name.to_owned(), time);
    }
    let mut out = results(&answer.results);
    out["generation"] = json!(answer.generation);
    let vectors = answer.results.iter().map(|r| json!(r.observation.vector));
    out["vectors"] = match with_vectors {
        true => vectors.collect(),
        false => json!([]),
    };
    Ok(out)
}

fn results(found: &[Found]) -> Value {
    let rounded = |x: f32| (f64::from(x) * 1e4).round() / 1e4;
    json!({"ids": found.iter().map(|r| r.observation.id.as_str()).collect::<Vec<_>>(),
        "similarities": found.iter().map(|r| rounded(r.similarity)).collect::<Vec<_>>(),
        "generations": found.iter().map(|r| r.generation).collect::<Vec<_>>()})
}

fn stored(list: &[Stored]) -> Value {
    json!({"ids": list.iter().map(|s| s.observation.id.as_str()).collect::<Vec<_>>(),
        "generations": list.iter().map(|s| s.generation).collect::<Vec<_>>()})
}

fn whole(s: &Stored) -> Value {
    let o = &s.observation;
    let context = o.context.clone().unwrap_or_default();
    let at = o
        .observed_at
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    json!({"id": o.id, "content": o.content, "vector": o.vector.clone().unwrap_or_default(),
        "metadata": o.metadata, "observed_at": at.map_or(0, |d| d.as_millis() as u64),
        "confidence": o.confidence, "importance": o.importance,
        "emotional_valence": o.emotional_valence, "decay_rate": o.decay_rate,
        "location": context.location, "participants": context.participants,
        "reason": context.reason, "method": context.method, "generation": s.generation})
}

fn chosen(m: &Value) -> Option<v1::Filter> {
    m.as_object()?;
    let clauses = |key: &str| {
        let list = m[key].as_array().into_iter().flatten();
        list.map(clause).collect()
    };
    Some(v1::Filter {
        all: clauses("all"),
        any: clauses("any"),
        none: clauses("none"),
    })
}

fn clause(m: &Value) -> v1::FilterClause {
    let key = text(m, "key");
    if let Some(there) = m["exists"].as_bool() {
        return filter::exists(key, there);
    }
    if let Some(list) = m["in"].as_array() {
        return filter::one_of(key, list.iter().cloned());
    }
    let Some(range) = m["range"].as_object() else {
        return filter::eq(key, m["equals"].clone());
    };
    let bound = |name: &str| range.get(name).cloned();
    let mut out = filter::range(key, bound("min"), bound("max"));
    if let Some(v1::filter_clause::Test::Range(r)) = out.test.as_mut() {
        r.min_exclusive = m["range"]["min_exclusive"] == true;
        r.max_exclusive = m["range"]["max_exclusive"] == true;
    }
    out
}
