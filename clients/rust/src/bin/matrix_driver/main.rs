//! The driver of the scenario matrix: reads one script from stdin, runs its
//! steps through the client's public interface, and prints what came of each.
//! The format: conformance/matrix/README.md.

mod calls;
mod make;
mod sessions;

use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use engram_client::{Client, Error, Rejection, Session};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// What the callbacks of a session were told.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) marks: HashMap<i32, u64>,
    pub(crate) backwards: bool,
    pub(crate) rejections: Vec<Rejection>,
    pub(crate) states: BTreeSet<String>,
    pub(crate) pressed: bool,
}

/// A session, and what its callbacks were told.
pub(crate) type Opened = (Arc<Session>, Arc<Mutex<Heard>>);

/// What steps share: clients, and handles by name.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) address: String,
    pub(crate) control: String,
    pub(crate) clients: Mutex<HashMap<String, Client>>,
    pub(crate) sessions: Mutex<HashMap<String, Opened>>,
    pub(crate) observed: Mutex<HashMap<String, String>>,
    pub(crate) committed: Mutex<HashMap<String, SystemTime>>,
    started: Mutex<HashMap<String, JoinHandle<Value>>>,
}

/// Why a step has no result.
pub(crate) enum Failure {
    Error(Error),
    Unsupported,
    Broken(String),
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        Self::Error(err)
    }
}

pub(crate) fn text<'a>(step: &'a Value, key: &str) -> &'a str {
    step[key].as_str().unwrap_or_default()
}

/// The call's own deadline, or one that tells a driver that hangs.
pub(crate) fn limit(step: &Value) -> Duration {
    Duration::from_millis(step["timeout_ms"].as_u64().unwrap_or(300_000))
}

pub(crate) fn rejections(list: &[Rejection]) -> Value {
    let mut sorted: Vec<&Rejection> = list.iter().collect();
    sorted.sort_by_key(|r| r.sequence);
    let told = |r: &&Rejection| json!({"sequence": r.sequence, "id": r.id, "reason": r.reason});
    sorted.iter().map(told).collect()
}

pub(crate) fn error(err: &Error) -> Value {
    if !err.rejections().is_empty() {
        return json!({"kind": "rejected", "rejections": rejections(err.rejections())});
    }
    json!({"kind": "error", "code": err.code_name(), "reason": err.reason(),
        "field": err.field(), "retryable": err.retryable()})
}

/// Runs one step. Boxed, since a `start` step holds another.
fn run(script: Arc<Script>, step: Value) -> Pin<Box<dyn Future<Output = Value> + Send>> {
    Box::pin(run_step(script, step))
}

async fn run_step(script: Arc<Script>, step: Value) -> Value {
    let op = text(&step, "op").to_owned();
    let out = match op.as_str() {
        "start" => {
            let task = tokio::spawn(run(Arc::clone(&script), step["step"].clone()));
            let name = text(&step, "as").to_owned();
            script.started.lock().unwrap().insert(name, task);
            Ok(json!({}))
        }
        "cancel" => {
            if let Some(task) = script.started.lock().unwrap().get(text(&step, "of")) {
                task.abort();
            }
            Ok(json!({}))
        }
        "join" => {
            let task = script.started.lock().unwrap().remove(text(&step, "of"));
            return match task {
                None => json!({"error": {"kind": "broken", "message": "nothing was started"}}),
                Some(task) => task
                    .await
                    .unwrap_or_else(|_| json!({"error": {"kind": "cancelled"}})),
            };
        }
        "fault" => {
            let (url, body) = (format!("{}/fault", script.control), step.to_string());
            match tokio::task::spawn_blocking(move || post(&url, &body)).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(err)) => Err(Failure::Broken(err.to_string())),
                Err(err) => Err(Failure::Broken(err.to_string())),
            }
        }
        "open" | "flush" | "close" | "detach" | "ended" | "stats" | "heard" => {
            sessions::run(&script, &op, &step).await
        }
        "observe" => return sessions::observe(&script, &step).await,
        _ => calls::run(&script, &op, &step).await,
    };
    match out {
        Ok(ok) => json!({"ok": ok}),
        Err(Failure::Error(err)) => json!({"error": error(&err)}),
        Err(Failure::Unsupported) => json!({"unsupported": op}),
        Err(Failure::Broken(why)) => json!({"error": {"kind": "broken", "message": why}}),
    }
}

/// Posts to the runner, and waits for its answer however long it takes.
fn post(url: &str, body: &str) -> std::io::Result<Value> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut connection = TcpStream::connect(host)?;
    write!(
        connection,
        "POST /{path} HTTP/1.0\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if !head.contains(" 200") {
        return Err(std::io::Error::other(answer));
    }
    Ok(serde_json::from_str(body)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut given = String::new();
    std::io::stdin().read_to_string(&mut given)?;
    let given: Value = serde_json::from_str(&given)?;
    let script = Arc::new(Script {
        address: text(&given, "address").to_owned(),
        control: text(&given, "control").to_owned(),
        ..Script::default()
    });
    let mut out = Vec::new();
    for step in given["steps"].as_array().into_iter().flatten() {
        out.push(run(Arc::clone(&script), step.clone()).await);
    }
    println!("{}", json!({"steps": out}));
    Ok(())
}
