//! The native reference: a real iroh endpoint that speaks JSON lines. `listen` accepts connections and serves the behaviours of
//! `server.rs`; `dial` runs one action of `dial.rs` and exits; commands on stdin do both. It ends when stdin closes.

mod dial;
mod options;
mod output;
mod pattern;
mod server;

use std::sync::Arc;

use iroh::{Endpoint, EndpointAddr, EndpointId, TransportAddr};
use iroh_tickets::endpoint::EndpointTicket;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::options::{Options, Res};
use crate::output::{chain, emit, fail};

const USAGE: &str = "tom-native listen|dial [--key value]...  (see conformance/README.md)";

#[tokio::main]
async fn main() {
    let code = match run().await {
        Ok(()) => 0,
        Err(message) => {
            emit(json!({ "event": "error", "stage": "start", "message": message }));
            2
        }
    };
    // stdin may still be read by a blocking thread: do not wait for it
    std::process::exit(code);
}

async fn run() -> Res<()> {
    let mut args = std::env::args().skip(1);
    let command = args.next().ok_or(USAGE)?;
    let options = Options::parse(args)?;
    if command != "listen" && command != "dial" {
        return Err(format!("unknown command {command}; {USAGE}"));
    }
    let endpoint = options.bind().await?;
    let addrs = endpoint.bound_sockets();
    let ticket = EndpointTicket::new(EndpointAddr::from_parts(
        endpoint.id(),
        addrs.iter().copied().map(TransportAddr::Ip),
    ));
    emit(json!({
        "event": "listening",
        "id": endpoint.id().to_string(),
        "addrs": addrs.iter().map(|addr| addr.to_string()).collect::<Vec<_>>(),
        "ticket": ticket.to_string(),
    }));

    if command == "dial" {
        let spec = dial::Spec::from_json(&options.values)?;
        let line = tokio::select! {
            line = dial::run(endpoint.clone(), spec) => line,
            _ = stdin_closed() => return Ok(()),
        };
        let failed = line["event"] == "error";
        emit(line);
        endpoint.close().await;
        return if failed { std::process::exit(1) } else { Ok(()) };
    }

    let shared = Arc::new(server::Shared::new(&options)?);
    let accepting = tokio::spawn(server::accept_loop(endpoint.clone(), shared.clone()));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Value>(&line) {
            Ok(Value::Object(command)) => {
                if command.get("cmd").and_then(Value::as_str) == Some("quit") {
                    break;
                }
                handle(&endpoint, &shared, command);
            }
            _ => fail("command", Value::Null, "a command must be one JSON object a line"),
        }
    }
    accepting.abort();
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), endpoint.close()).await;
    Ok(())
}

/// Nobody writes to a one-shot dial; it only watches for its parent to go away.
async fn stdin_closed() {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = lines.next_line().await {}
}

fn handle(endpoint: &Endpoint, shared: &Arc<server::Shared>, command: Map<String, Value>) {
    let tag = command.get("tag").cloned().unwrap_or(Value::Null);
    let name = command.get("cmd").and_then(Value::as_str).unwrap_or("").to_string();
    match name.as_str() {
        "dial" => match dial::Spec::from_json(&command) {
            Ok(spec) => {
                let endpoint = endpoint.clone();
                tokio::spawn(async move {
                    let mut line = dial::run(endpoint, spec).await;
                    line["tag"] = tag;
                    emit(line);
                });
            }
            Err(message) => fail("dial", tag, &message),
        },
        "incoming" => match command.get("mode").and_then(Value::as_str).map(server::Mode::parse) {
            Some(Ok(mode)) => {
                shared.set_mode(mode);
                emit(json!({ "event": "result", "tag": tag }));
            }
            Some(Err(message)) => fail("command", tag, &message),
            None => fail("command", tag, "incoming needs a mode"),
        },
        "close" => {
            let code = command.get("code").and_then(Value::as_u64).unwrap_or(0);
            let reason = command.get("reason").and_then(Value::as_str).unwrap_or("");
            let closed = shared.close_all(code, reason);
            emit(json!({ "event": "result", "tag": tag, "closed": closed }));
        }
        "ticket" => {
            let text = command.get("text").and_then(Value::as_str).unwrap_or("");
            match text.parse::<EndpointTicket>() {
                Ok(ticket) => emit(json!({
                    "event": "result",
                    "tag": tag,
                    "text": ticket.to_string(),
                    "addr": serde_json::to_value(ticket.endpoint_addr()).unwrap_or(Value::Null),
                })),
                Err(error) => fail("ticket", tag, &chain(&error)),
            }
        }
        "id" => {
            let text = command.get("text").and_then(Value::as_str).unwrap_or("");
            match text.parse::<EndpointId>() {
                Ok(id) => emit(json!({ "event": "result", "tag": tag, "id": id.to_string(), "z32": id.to_z32() })),
                Err(error) => fail("id", tag, &chain(&error)),
            }
        }
        _ => fail("command", tag, &format!("unknown command {name:?}")),
    }
}
