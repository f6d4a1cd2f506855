//! Everything this program says: one JSON object a line on stdout.

use std::error::Error;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use iroh::endpoint::ConnectionError;
use serde_json::{Value, json};

pub fn emit(line: Value) {
    let mut out = std::io::stdout().lock();
    // the parent may be gone already; it closes stdin too, which ends us
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// ms since 1970.
pub fn unix_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}

pub fn fail(stage: &str, tag: Value, message: &str) {
    emit(json!({ "event": "error", "stage": stage, "tag": tag, "message": message }));
}

/// The message of an error and of everything that caused it, without repetitions.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let next = inner.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = inner.source();
    }
    text
}

/// Why a connection ended: `kind` plus `code` and `reason` where there are any. Codes are those on the wire.
pub fn close_reason(error: &ConnectionError) -> Value {
    match error {
        ConnectionError::ApplicationClosed(close) => json!({
            "kind": "peer-application",
            "code": close.error_code.into_inner(),
            "reason": String::from_utf8_lossy(&close.reason),
        }),
        ConnectionError::ConnectionClosed(close) => json!({
            "kind": "peer-transport",
            "code": u64::from(close.error_code),
            "reason": String::from_utf8_lossy(&close.reason),
        }),
        ConnectionError::TransportError(error) => json!({
            "kind": "local-transport",
            "code": u64::from(error.code),
            "reason": error.to_string(),
        }),
        ConnectionError::TimedOut => json!({ "kind": "timeout" }),
        ConnectionError::Reset => json!({ "kind": "reset" }),
        ConnectionError::VersionMismatch => json!({ "kind": "version" }),
        ConnectionError::LocallyClosed => json!({ "kind": "local-application" }),
        ConnectionError::CidsExhausted => json!({ "kind": "local-transport", "reason": error.to_string() }),
    }
}

/// The `ConnectionError` somewhere below `error`, if there is one.
pub fn connection_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a ConnectionError> {
    let mut current: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = current {
        if let Some(found) = inner.downcast_ref::<ConnectionError>() {
            return Some(found);
        }
        current = inner.source();
    }
    None
}
