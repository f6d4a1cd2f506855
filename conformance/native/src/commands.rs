//! The commands that a listener takes on stdin. Each is answered by one line that bears its tag.

use std::sync::Arc;
use std::time::Instant;

use iroh::EndpointId;
use iroh_tickets::endpoint::EndpointTicket;
use serde_json::{Map, Value, json};

use crate::dial::{self, Ending, Target, Task};
use crate::link::Link;
use crate::node::Node;
use crate::options::Res;
use crate::output::{chain, emit, fail};
use crate::paths;
use crate::pings;
use crate::punch;
use crate::relays;
use crate::server::{self, Mode, Shared};

#[derive(Clone)]
pub struct Commands {
    node: Node,
    shared: Arc<Shared>,
}

impl Commands {
    pub fn new(node: Node, shared: Arc<Shared>) -> Self {
        Self { node, shared }
    }

    /// Returns at once; the answer comes when the command is done.
    pub fn handle(&self, command: Map<String, Value>) {
        let this = self.clone();
        tokio::spawn(async move {
            let tag = command.get("tag").cloned().unwrap_or(Value::Null);
            match this.answer(&command).await {
                Ok(mut line) => {
                    line["tag"] = tag;
                    emit(line);
                }
                Err(message) => {
                    let stage = command.get("cmd").and_then(Value::as_str).unwrap_or("command");
                    fail(stage, tag, &message);
                }
            }
        });
    }

    async fn answer(&self, command: &Map<String, Value>) -> Res<Value> {
        let text = |key: &str| command.get(key).and_then(Value::as_str);
        let number = |key: &str| command.get(key).and_then(Value::as_u64);
        let name = text("cmd").unwrap_or("");
        match name {
            "dial" => {
                let target = Target::from_json(command)?;
                let (task, ending) = (Task::from_json(command), Ending::from_json(command));
                Ok(dial::run(self.node.clone(), target, task, ending).await)
            }
            "connect" => self.connect(Target::from_json(command)?).await,
            "run" => Ok(Task::from_json(command).run(&self.link(command)?).await),
            "pings" => {
                let (link, number) = (self.link(command)?, number("connection").unwrap_or(0));
                Ok(pings::run(link, number, command, self.shared.pinging(number)).await)
            }
            "stop-pings" => {
                self.shared.pinging(number("connection").unwrap_or(0)).notify_one();
                Ok(json!({ "event": "result" }))
            }
            "incoming" => {
                let mode = text("mode").ok_or("incoming needs a mode")?;
                self.shared.set_mode(Mode::parse(mode)?);
                Ok(json!({ "event": "result" }))
            }
            "close" => {
                let (code, reason) = (number("code").unwrap_or(0), text("reason").unwrap_or(""));
                let closed = self.shared.close(number("connection"), code, reason);
                Ok(json!({ "event": "result", "closed": closed }))
            }
            "paths" => Ok(paths::report(&self.link(command)?)),
            "open-path" | "close-path" | "path-status" | "update-keys" => {
                let Link::Noq(link) = self.link(command)? else {
                    return Err("iroh decides about its paths and keys itself; start with --noq".to_string());
                };
                paths::act(&link.connection, name, command).await
            }
            "nat-add" | "nat-remove" | "nat-round" => {
                let Link::Noq(link) = self.link(command)? else {
                    return Err("iroh starts rounds by itself; start with --noq".to_string());
                };
                punch::act(&link.connection, name, command)
            }
            "add-address" | "remove-address" | "network-change" => {
                let Node::Iroh(endpoint) = &self.node else {
                    return Err("noq knows no addresses of its own".to_string());
                };
                punch::tell(endpoint, name, command).await
            }
            "relays" => {
                let Node::Iroh(endpoint) = &self.node else {
                    return Err("noq knows no relays".to_string());
                };
                Ok(relays::report(endpoint))
            }
            "ticket" => {
                let ticket = text("text")
                    .unwrap_or("")
                    .parse::<EndpointTicket>()
                    .map_err(|error| chain(&error))?;
                let addr = serde_json::to_value(ticket.endpoint_addr()).unwrap_or(Value::Null);
                Ok(json!({ "event": "result", "text": ticket.to_string(), "addr": addr }))
            }
            "id" => {
                let id = text("text")
                    .unwrap_or("")
                    .parse::<EndpointId>()
                    .map_err(|error| chain(&error))?;
                Ok(json!({ "event": "result", "id": id.to_string(), "z32": id.to_z32() }))
            }
            _ => Err(format!("unknown command {name:?}")),
        }
    }

    /// A connection that stays: `run`, the path commands and `close` name it by its number.
    async fn connect(&self, target: Target) -> Res<Value> {
        let begin = Instant::now();
        let link = match target.connect(&self.node).await {
            Ok(link) => link,
            Err(failure) => return Ok(failure.line("connect")),
        };
        let connect_ms = begin.elapsed().as_secs_f64() * 1000.0;
        let number = self.shared.add(&link);
        let line = json!({ "event": "result", "connection": number, "alpn": link.alpn(), "connectMs": connect_ms });
        let events = paths::report_events(link.clone(), number);
        tokio::spawn(server::watch(link, number, self.shared.clone(), events));
        Ok(line)
    }

    fn link(&self, command: &Map<String, Value>) -> Res<Link> {
        let number = command.get("connection").and_then(Value::as_u64);
        let number = number.ok_or("which connection?")?;
        self.shared
            .get(number)
            .ok_or_else(|| format!("there is no connection {number}"))
    }
}
