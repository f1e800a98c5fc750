//! A look at Redis for an operator: can it be reached, does it let us do what we do, and how fast.
//!
//! Leaves nothing behind, and goes round the link that requests use.

use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::{Instant, timeout};

use super::access::{Access, Connection};
use super::keys::{Keys, Kind};
use super::link::{TIMED_OUT, reason};
use crate::affinity::token::Key;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Commands that were refused, and why.
    pub refused: Vec<(&'static str, String)>,
    /// None when the account may not ask.
    pub memory: Option<Memory>,
    /// How long one of us usually waits for an answer.
    pub middle: Duration,
    /// The longest of a few.
    pub worst: Duration,
}

/// How Redis deals with its memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Bytes; zero is no limit.
    pub limit: u64,
    pub policy: String,
}

/// Connects, and does once what requests do. Never takes longer than some seconds.
pub async fn examine(access: &Access) -> Result<Examination, String> {
    let connected = timeout(PATIENCE, access.connect()).await;
    let connection = connected
        .map_err(|_| TIMED_OUT.to_owned())?
        .map_err(|error| reason(&error))?;
    let secret = Key::from(std::array::from_fn(|_| fastrand::u8(..)));
    let name = Keys::new(&access.prefix, &[secret])
        .map(|keys| keys.written(Kind::Instance, &[b"examination"]))
        .ok_or("no key can be spelled")?;
    let mut refused = Vec::new();
    for (word, command) in rights(&name) {
        match send(&connection, &command).await {
            Ok(_) => {}
            Err(why) if why == TIMED_OUT => return Err(why),
            Err(why) => refused.push((word, why)),
        }
    }
    let memory = send(&connection, &command("INFO", &["memory"])).await;
    let (middle, worst) = pace(&connection, &name).await?;
    Ok(Examination {
        refused,
        memory: memory.ok().and_then(|value| read_memory(&value)),
        middle,
        worst,
    })
}

/// What requests do, in an order that leaves nothing behind.
fn rights(name: &str) -> Vec<(&'static str, Cmd)> {
    vec![
        ("SET", command("SET", &[name, "1", "PX", "60000"])),
        ("GET", command("GET", &[name])),
        ("EVAL", command("EVAL", &[SCRIPT, "1", name])),
        ("DEL", command("DEL", &[name])),
    ]
}

fn command(word: &str, arguments: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    command.arg(word).arg(arguments);
    command
}

async fn send(connection: &Connection, command: &Cmd) -> Result<Value, String> {
    match timeout(PATIENCE, connection.send(command)).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(reason(&error)),
        Err(_) => Err(TIMED_OUT.to_owned()),
    }
}

/// Median and maximum of a few questions, one after the other.
async fn pace(connection: &Connection, name: &str) -> Result<(Duration, Duration), String> {
    let question = command("GET", &[name]);
    let mut times = Vec::with_capacity(QUESTIONS);
    for _ in 0..QUESTIONS {
        let begun = Instant::now();
        // A refusal takes as long as an answer.
        match send(connection, &question).await {
            Err(why) if why == TIMED_OUT => return Err(why),
            Ok(_) | Err(_) => times.push(begun.elapsed()),
        }
    }
    times.sort_unstable();
    let middle = times.get(QUESTIONS / 2).copied().unwrap_or_default();
    Ok((middle, times.last().copied().unwrap_or_default()))
}

fn read_memory(value: &Value) -> Option<Memory> {
    let text = match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?,
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text,
        _ => return None,
    };
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    Some(Memory {
        limit: field("maxmemory:")?.parse().ok()?,
        policy: field("maxmemory_policy:")?.to_owned(),
    })
}

/// Reads the clock, reads and writes, as our scripts do.
const SCRIPT: &str = "redis.call('TIME') redis.call('SET', KEYS[1], '1', 'PX', 60000) return redis.call('GET', KEYS[1])";
const QUESTIONS: usize = 21;
/// For one step; an operator waits at the terminal.
const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_and_policy_are_read_from_what_redis_tells() {
        let text =
            b"# Memory\r\nused_memory:1\r\nmaxmemory:1024\r\nmaxmemory_policy:allkeys-lru\r\n";
        let memory = read_memory(&Value::BulkString(text.to_vec())).unwrap();
        assert_eq!(
            (memory.limit, memory.policy.as_str()),
            (1024, "allkeys-lru")
        );
        assert_eq!(read_memory(&Value::Nil), None);
    }
}
