//! Observations by the formula of conformance/matrix/README.md.

use std::time::{Duration, UNIX_EPOCH};

use engram_client::{Context, Observation};
use serde_json::{Value, json};

/// The vector of observation n.
pub(crate) fn vector(n: i64, make: &Value) -> Vec<f32> {
    let dimension = make["dimension"].as_i64().unwrap_or(8);
    let seed = make["seed"].as_i64().unwrap_or(0);
    let component = |j: i64| {
        let whole = (31 * n + 17 * j + 7 * seed + (n % 89) * (j % 13)) % 101 - 50;
        whole as f32 / 64.0
    };
    (0..dimension).map(component).collect()
}

/// Observation n.
pub(crate) fn observation(n: i64, make: &Value) -> Observation {
    let named = |key: &str, default: &str| match make[key].as_str().unwrap_or(default) {
        "" => String::new(),
        prefix => format!("{prefix}{n}"),
    };
    let v = vector(n, make);
    let mut o = Observation {
        id: named("ids", "o-"),
        content: named("content", "note "),
        vector: (!v.is_empty()).then_some(v),
        metadata: json!({"n": n, "odd": n % 2 == 1, "tag": format!("t{}", n % 3)})
            .as_object()
            .cloned(),
        ..Observation::default()
    };
    if make["full"] == true {
        o.observed_at = Some(UNIX_EPOCH + Duration::from_secs(1_767_225_600 + n as u64));
        o.confidence = Some((n % 9) as f32 / 8.0);
        o.importance = (n % 5) as f32 / 4.0;
        o.emotional_valence = (n % 5) as f32 / 2.0 - 1.0;
        o.decay_rate = (n % 3) as f32 / 4.0;
        o.context = Some(Context {
            location: format!("room {}", n % 4),
            participants: vec!["ann".to_owned(), format!("p{n}")],
            reason: format!("why {n}"),
            method: "said".to_owned(),
        });
    }
    replace(&mut o, &make["set"]);
    o
}

fn replace(o: &mut Observation, set: &Value) {
    if let Some(id) = set["id"].as_str() {
        id.clone_into(&mut o.id);
    }
    if let Some(content) = set["content"].as_str() {
        content.clone_into(&mut o.content);
    }
    if let Some(bytes) = set["content_bytes"].as_u64() {
        o.content = "x".repeat(bytes as usize);
    }
    match &set["vector"] {
        Value::Array(list) => {
            let numbers = list.iter().filter_map(Value::as_f64).map(|x| x as f32);
            o.vector = Some(numbers.collect());
        }
        Value::String(word) => {
            if let Some(first) = o.vector.as_mut().and_then(|v| v.first_mut()) {
                *first = match word.as_str() {
                    "nan" => f32::NAN,
                    _ => f32::INFINITY,
                };
            }
        }
        _ => {}
    }
    o.half_precision = set["half_precision"].as_bool().unwrap_or(o.half_precision);
    o.replace = set["replace"].as_bool().unwrap_or(o.replace);
    if let Some(confidence) = set["confidence"].as_f64() {
        o.confidence = Some(confidence as f32);
    }
}
