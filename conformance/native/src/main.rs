//! The native reference: a real iroh endpoint that speaks JSON lines. `listen` accepts connections and serves the behaviours of
//! `server.rs`; `dial` runs one action of `dial.rs` and exits; commands on stdin do both. `relay` and `qad` are iroh-relay's own clients
//! without an endpoint, `relay-load` a load on a relay, `gossip` nodes of iroh-gossip, `envelope` and `tom` what the ToM stack does over it all. All end when
//! stdin closes.

mod commands;
mod dial;
mod envelope;
mod gossip;
mod link;
mod load;
mod node;
mod noq_node;
mod options;
mod output;
mod paths;
mod pattern;
mod pings;
mod punch;
mod qad;
mod relay_client;
mod relays;
mod server;
mod tom;
mod transport;

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::commands::Commands;
use crate::node::Node;
use crate::options::{Options, Res};
use crate::output::{emit, fail};

const USAGE: &str = "tom-native listen|dial|gossip|relay|qad|relay-load|envelope|envelope-bench|tom [--key value]...  (see conformance/README.md)";

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
    match command.as_str() {
        "listen" | "dial" => {}
        "gossip" => return gossip::run(options).await,
        "envelope" => return envelope::run().await,
        "envelope-bench" => return envelope::bench::run(&options),
        "tom" => return tom::run(options).await,
        "relay" => return relay_client::run(&options).await,
        "qad" => return one_line(qad::run(&options).await, "qad"),
        "relay-load" => return one_line(load::run(&options).await, "relay-load"),
        _ => return Err(format!("unknown command {command}; {USAGE}")),
    }
    let begin = Instant::now();
    let node = Node::bind(&options).await?;
    emit(json!({
        "event": "listening",
        "id": node.id(),
        "addrs": node.addrs().iter().map(|addr| addr.to_string()).collect::<Vec<_>>(),
        "ticket": node.ticket(),
    }));

    if command == "dial" {
        let target = dial::Target::from_json(&options.values)?;
        let (task, ending) = (
            dial::Task::from_json(&options.values),
            dial::Ending::from_json(&options.values),
        );
        let line = tokio::select! {
            line = dial::run(node.clone(), target, task, ending) => line,
            _ = stdin_closed() => return Ok(()),
        };
        let failed = line["event"] == "error";
        emit(line);
        node.close().await;
        return if failed { std::process::exit(1) } else { Ok(()) };
    }

    if let Node::Iroh(endpoint) = &node
        && !options.list("relay").is_empty()
    {
        tokio::spawn(relays::tell(endpoint.clone(), begin));
    }
    let shared = Arc::new(server::Shared::new(&options)?);
    let accepting = tokio::spawn(server::accept_loop(node.clone(), shared.clone()));
    let commands = Commands::new(node.clone(), shared);
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
                commands.handle(command);
            }
            _ => fail("command", Value::Null, "a command must be one JSON object a line"),
        }
    }
    accepting.abort();
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), node.close()).await;
    Ok(())
}

/// For commands that say one thing and exit.
fn one_line(outcome: Res<Value>, stage: &str) -> Res<()> {
    match outcome {
        Ok(line) => {
            emit(line);
            Ok(())
        }
        Err(message) => {
            fail(stage, Value::Null, &message);
            std::process::exit(1)
        }
    }
}

/// Nobody writes to a one-shot dial; it only watches for its parent to go away.
async fn stdin_closed() {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = lines.next_line().await {}
}
