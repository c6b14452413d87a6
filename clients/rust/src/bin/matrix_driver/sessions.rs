//! The steps of sessions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engram_client::{Level, SessionOptions, within};
use serde_json::{Value, json};

use super::calls::client;
use super::{Failure, Heard, Opened, Script, error, limit, make, rejections, text};

pub(crate) fn level(name: &str) -> Option<Level> {
    match name {
        "accepted" => Some(Level::Accepted),
        "durable" => Some(Level::Durable),
        "visible" => Some(Level::Visible),
        "indexed" => Some(Level::Indexed),
        _ => None,
    }
}

/// The session that a step names by `in`.
pub(crate) fn session(script: &Script, step: &Value, key: &str) -> Result<Opened, Failure> {
    let name = text(step, key);
    let found = script.sessions.lock().unwrap().get(name).cloned();
    found.ok_or_else(|| Failure::Broken(format!("no session {name:?}")))
}

pub(crate) async fn observe(script: &Script, step: &Value) -> Value {
    let (s, _) = match session(script, step, "in") {
        Ok(found) => found,
        Err(_) => return json!({"error": {"kind": "broken", "message": "no such session"}}),
    };
    let (from, to) = (
        step["from"].as_i64().unwrap_or(1),
        step["to"].as_i64().unwrap_or(0),
    );
    let (mut first, mut last, mut gapless) = (0, 0, true);
    for n in from..=to {
        let call = s.observe(make::observation(n, &step["make"]));
        match within(limit(step), call).await {
            Ok(seq) => {
                gapless &= last == 0 || seq == last + 1;
                first = if n == from { seq } else { first };
                last = seq;
            }
            Err(err) => {
                let mut told = error(&err);
                told["after"] = json!(n - from);
                return json!({"error": told});
            }
        }
    }
    json!({"ok": {"first": first, "last": last, "gapless": gapless}})
}

pub(crate) async fn run(script: &Script, op: &str, step: &Value) -> Result<Value, Failure> {
    if op == "open" {
        return open(script, step).await;
    }
    let (s, heard) = session(script, step, "in")?;
    match op {
        "flush" => within(limit(step), s.flush()).await?,
        "detach" => within(limit(step), s.detach()).await?,
        "close" => {
            let c = within(limit(step), s.close()).await?;
            return Ok(json!({"final": c.final_sequence, "accepted": c.accepted,
                "rejected": c.rejected, "refused": c.refused, "duplicates": c.duplicates,
                "inferred": c.inferred}));
        }
        "ended" => {
            let why = s.ended().await;
            return Ok(json!({"code": why.code_name(), "reason": why.reason()}));
        }
        "stats" => {
            let t = s.stats();
            return Ok(
                json!({"observed": t.observed, "sent": t.sent, "resent": t.resent,
                "durable": t.durable, "rejected": t.rejected, "refused": t.refused,
                "reconnects": t.reconnects}),
            );
        }
        _ => {
            let h = heard.lock().unwrap();
            let mark = |level: Level| h.marks.get(&(level as i32)).copied().unwrap_or(0);
            return Ok(
                json!({"durable": mark(Level::Durable), "visible": mark(Level::Visible),
                "monotone": !h.backwards, "rejections": rejections(&h.rejections),
                "states": h.states, "pressed": h.pressed}),
            );
        }
    }
    Ok(json!({}))
}

async fn open(script: &Script, step: &Value) -> Result<Value, Failure> {
    let heard = Arc::new(Mutex::new(Heard::default()));
    let mut o = SessionOptions {
        must_exist: step["must_exist"] == true,
        blocking: step["non_blocking"] != true,
        ..SessionOptions::default()
    };
    let resumed = text(step, "resume");
    if !resumed.is_empty() {
        o.resume = session(script, step, "resume")?.0.id();
    } else if let Some(id) = step["resume_id"].as_str() {
        id.clone_into(&mut o.resume);
    }
    o.flush_to = level(text(step, "flush_to")).unwrap_or(o.flush_to);
    let count = |key: &str| step[key].as_u64().and_then(|n| usize::try_from(n).ok());
    o.batch = count("batch").unwrap_or(o.batch);
    o.buffer = count("buffer").unwrap_or(o.buffer);
    let time = |key: &str| step[key].as_u64().map(Duration::from_millis);
    o.connect_timeout = time("connect_timeout_ms").unwrap_or(o.connect_timeout);
    o.reconnect_for = time("reconnect_for_ms").unwrap_or(o.reconnect_for);
    let acks = Arc::clone(&heard);
    o.on_ack = Some(Arc::new(move |ack| {
        let mut h = acks.lock().unwrap();
        if let Some(level) = ack.level {
            let mark = h.marks.entry(level as i32).or_default();
            let back = ack.through < *mark;
            *mark = ack.through.max(*mark);
            h.backwards |= back;
        }
    }));
    let told = Arc::clone(&heard);
    o.on_rejection = Some(Arc::new(move |r| {
        told.lock().unwrap().rejections.push(r.clone());
    }));
    let pressed = Arc::clone(&heard);
    o.on_pressure = Some(Arc::new(move |p| {
        let mut h = pressed.lock().unwrap();
        h.states.insert(p.state.clone());
        h.pressed |= p.pressure > 0.5;
    }));
    let (client, space) = (client(script, step)?, text(step, "space"));
    let wanted = o.resume.clone();
    let opened = match step["memory"] == true {
        true => within(limit(step), client.open_memory(space, o)).await?,
        false => within(limit(step), client.open_session(space, o)).await?,
    };
    let resumed = !wanted.is_empty() && opened.id() == wanted;
    let mut sessions = script.sessions.lock().unwrap();
    sessions.insert(text(step, "as").to_owned(), (Arc::new(opened), heard));
    Ok(json!({"resumed": resumed}))
}
