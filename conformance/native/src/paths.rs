//! The paths of a connection: what there is, what happens to them, and (noq) what is done to them on request.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use iroh::TransportAddr;
use iroh::endpoint::{FrameStats, PathStats};
use noq::{Connection, FourTuple, Path, PathEvent, PathId, PathStatus};
use serde_json::{Map, Value, json};
use tokio_stream::StreamExt;

use crate::link::Link;
use crate::options::Res;
use crate::output::{chain, emit, unix_ms};
use crate::punch;

/// noq has no list of a connection's paths: ids up to this one are asked for.
const HIGHEST_ID: u32 = 255;

/// The open paths in short.
pub fn list(link: &Link) -> Value {
    match link {
        Link::Iroh(connection) => connection
            .paths()
            .iter()
            .map(|path| {
                let remote = path.remote_addr();
                let mut line = short(path.id(), remote.to_string(), path.is_selected(), &path.stats());
                line["kind"] = kind(remote).into();
                line
            })
            .collect(),
        Link::Noq(link) => open(&link.connection)
            .map(|path| {
                let remote = path.remote_address().map(|addr| addr.to_string());
                let available = path.status() == Ok(PathStatus::Available);
                short(path.id(), remote.unwrap_or_default(), available, &path.stats())
            })
            .collect(),
    }
}

fn kind(remote: &TransportAddr) -> &'static str {
    match remote {
        TransportAddr::Relay(_) => "relay",
        TransportAddr::Ip(_) => "direct",
        _ => "custom",
    }
}

/// Of the path that data goes over; null where nothing is selected, and for noq, which does not say.
pub fn selected_kind(link: &Link) -> Value {
    match link {
        Link::Iroh(connection) => {
            let paths = connection.paths();
            let selected = paths.iter().find(|path| path.is_selected());
            selected.map_or(Value::Null, |path| kind(path.remote_addr()).into())
        }
        Link::Noq(_) => Value::Null,
    }
}

/// All there is to know.
pub fn report(link: &Link) -> Value {
    let mut paths = list(link);
    for path in paths.as_array_mut().into_iter().flatten() {
        path["status"] = match link {
            Link::Iroh(_) => Value::Null,
            Link::Noq(link) => status_of(&link.connection, path),
        };
    }
    let stats = link.stats();
    let (multipath, observed, peer_addresses) = match link {
        Link::Iroh(_) => (Value::Null, None, Value::Null),
        Link::Noq(link) => (
            link.connection.is_multipath_enabled().into(),
            link.connection.observed_external_addr().get(),
            punch::peer_addresses(&link.connection),
        ),
    };
    json!({
        "event": "result",
        "multipath": multipath,
        "observed": observed.map(|addr| addr.to_string()),
        "peerAddresses": peer_addresses,
        "paths": paths,
        "sent": frames(&stats.frame_tx),
        "received": frames(&stats.frame_rx),
    })
}

fn open(connection: &Connection) -> impl Iterator<Item = Path> {
    (0..=HIGHEST_ID).filter_map(|id| connection.path(PathId::from(id)))
}

fn number(id: PathId) -> u32 {
    id.to_string().parse().unwrap_or(u32::MAX)
}

fn short(id: PathId, remote: String, selected: bool, stats: &PathStats) -> Value {
    json!({
        "id": id.to_string(),
        "remote": remote,
        "selected": selected,
        "rttMs": stats.rtt.as_secs_f64() * 1000.0,
        "mtu": stats.current_mtu,
        "sentDatagrams": stats.udp_tx.datagrams,
        "sentBytes": stats.udp_tx.bytes,
        "receivedBytes": stats.udp_rx.bytes,
        "lostPackets": stats.lost_packets,
    })
}

fn status_of(connection: &Connection, path: &Value) -> Value {
    let id = path["id"].as_str().and_then(|id| id.parse::<u32>().ok());
    let path = id.and_then(|id| connection.path(PathId::from(id)));
    match path.map(|path| path.status()) {
        Some(Ok(status)) => status_name(status).into(),
        _ => Value::Null,
    }
}

fn status_name(status: PathStatus) -> &'static str {
    match status {
        PathStatus::Available => "available",
        PathStatus::Backup => "backup",
    }
}

/// How many of each frame that has to do with paths.
fn frames(stats: &FrameStats) -> Value {
    json!({
        "ack": stats.acks,
        "pathAck": stats.path_acks,
        "ping": stats.ping,
        "newConnectionId": stats.new_connection_id,
        "pathNewConnectionId": stats.path_new_connection_id,
        "retireConnectionId": stats.retire_connection_id,
        "pathRetireConnectionId": stats.path_retire_connection_id,
        "pathChallenge": stats.path_challenge,
        "pathResponse": stats.path_response,
        "pathAbandon": stats.path_abandon,
        "pathStatusAvailable": stats.path_status_available,
        "pathStatusBackup": stats.path_status_backup,
        "maxPathId": stats.max_path_id,
        "pathsBlocked": stats.paths_blocked,
        "pathCidsBlocked": stats.path_cids_blocked,
        "observedAddress": stats.observed_addr,
        "addAddress": stats.add_address,
        "removeAddress": stats.remove_address,
        "reachOut": stats.reach_out,
    })
}

/// Reports what happens to the paths until the connection ends. It listens from this call on, not from the first poll: what happens
/// before somebody listens is not told.
pub fn report_events(link: Link, connection: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let say = move |path: PathId, change: &str, extra: Value| {
        let mut line = json!({ "event": "path", "connection": connection, "path": number(path), "change": change, "at": unix_ms() });
        if let (Value::Object(line), Value::Object(extra)) = (&mut line, extra) {
            line.extend(extra);
        }
        emit(line);
    };
    match link {
        Link::Iroh(connection) => {
            use iroh::endpoint::PathEvent;
            let mut events = connection.path_events();
            // it must not keep the connection alive
            let weak = connection.weak_handle();
            drop(connection);
            Box::pin(async move {
                while let Some(event) = events.next().await {
                    match event {
                        PathEvent::Opened { id, remote_addr, .. } => {
                            say(
                                id,
                                "opened",
                                json!({ "remote": remote_addr.to_string(), "kind": kind(&remote_addr) }),
                            );
                        }
                        PathEvent::Closed { id, remote_addr, .. } => {
                            say(
                                id,
                                "closed",
                                json!({ "remote": remote_addr.to_string(), "kind": kind(&remote_addr) }),
                            );
                        }
                        PathEvent::Selected { id, remote_addr, .. } => {
                            say(
                                id,
                                "selected",
                                json!({
                                    "remote": remote_addr.to_string(),
                                    "kind": kind(&remote_addr),
                                    "sentDatagrams": weak.upgrade().map(|connection| connection.stats().udp_tx.datagrams),
                                }),
                            );
                        }
                        _ => {}
                    }
                }
            })
        }
        Link::Noq(link) => {
            let mut events = link.connection.path_events();
            drop(link);
            Box::pin(async move {
                while let Some(event) = events.next().await {
                    match event {
                        Ok(PathEvent::Established { id, .. }) => say(id, "opened", json!({})),
                        Ok(PathEvent::Abandoned { id, reason, .. }) => say(id, "abandoned", abandon_reason(&reason)),
                        Ok(PathEvent::Discarded { id, .. }) => say(id, "discarded", json!({})),
                        Ok(PathEvent::RemoteStatus { id, status, .. }) => {
                            say(id, "status", json!({ "status": status_name(status) }));
                        }
                        Ok(PathEvent::ObservedAddr { id, addr, .. }) => {
                            say(id, "observed", json!({ "address": addr.to_string() }));
                        }
                        _ => {}
                    }
                }
            })
        }
    }
}

fn abandon_reason(reason: &noq_proto::PathAbandonReason) -> Value {
    use noq_proto::PathAbandonReason as Reason;
    match reason {
        Reason::ApplicationClosed { error_code } => json!({ "by": "us", "code": error_code.into_inner() }),
        Reason::RemoteAbandoned { error_code } => json!({ "by": "peer", "code": error_code.into_inner() }),
        Reason::TimedOut => json!({ "by": "timeout" }),
        other => json!({ "by": format!("{other:?}") }),
    }
}

/// `open-path`, `close-path`, `path-status`, `update-keys`.
pub async fn act(connection: &Connection, name: &str, command: &Map<String, Value>) -> Res<Value> {
    let text = |key: &str| command.get(key).and_then(Value::as_str);
    let status = || match text("status") {
        None | Some("available") => Ok(PathStatus::Available),
        Some("backup") => Ok(PathStatus::Backup),
        Some(other) => Err(format!("status: expected available or backup, got {other}")),
    };
    match name {
        "open-path" => {
            let addr = text("addr").ok_or("open-path needs an addr")?;
            let addr: SocketAddr = addr.parse().map_err(|_| format!("addr: cannot read {addr}"))?;
            let local = text("local").map(str::parse::<IpAddr>).transpose();
            let local = local.map_err(|_| "local: expected an IP address".to_string())?;
            let path = connection.open_path(FourTuple::new(addr, local), status()?).await;
            let path = path.map_err(|error| chain(&error))?;
            Ok(json!({ "event": "result", "path": number(path.id()) }))
        }
        "close-path" => {
            the_path(connection, command)?.close().map_err(|error| chain(&error))?;
            Ok(json!({ "event": "result" }))
        }
        "path-status" => {
            let before = the_path(connection, command)?.set_status(status()?);
            let before = before.map_err(|error| chain(&error))?;
            Ok(json!({ "event": "result", "before": status_name(before) }))
        }
        _ => {
            connection.force_key_update();
            Ok(json!({ "event": "result" }))
        }
    }
}

fn the_path(connection: &Connection, command: &Map<String, Value>) -> Res<Path> {
    let id = command.get("path").and_then(Value::as_u64).ok_or("which path?")?;
    let id = u32::try_from(id).map_err(|_| "path: at most 2^32 - 1".to_string())?;
    connection
        .path(PathId::from(id))
        .ok_or_else(|| format!("there is no path {id}"))
}
