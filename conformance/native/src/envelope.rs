//! `envelope`: ToM's envelopes and bodies, built and read on request with the libraries the ToM stack uses. Commands come on stdin, one JSON object a line
//! with a `tag`; each is answered by one line with that `tag`, in order.

pub mod bench;
pub mod bodies;
pub mod groups;
pub mod hex;
pub mod key;
pub mod seal;
pub mod wire;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::options::Res;
use crate::output::{emit, fail};
use bodies::{RoleChange, codec_of};
use groups::GroupMessage;
use key::NodeId;
use seal::{Fresh, Identity, SignatureState};
use wire::Envelope;

pub async fn run() -> Res<()> {
    emit(json!({ "event": "ready" }));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim().is_empty() {
            continue;
        }
        let Ok(Value::Object(command)) = serde_json::from_str::<Value>(&line) else {
            fail("command", Value::Null, "a command must be one JSON object a line");
            continue;
        };
        let tag = command.get("tag").cloned().unwrap_or(Value::Null);
        let name = command.get("cmd").and_then(Value::as_str).unwrap_or("");
        match answer(name, &Args(&command)) {
            Ok(mut line) => {
                line["event"] = "result".into();
                line["tag"] = tag;
                emit(line);
            }
            Err(message) => fail(name, tag, &message),
        }
    }
    Ok(())
}

/// The fields of a command; what is missing or of another type is an error.
pub struct Args<'a>(pub &'a Map<String, Value>);

impl Args<'_> {
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Res<T> {
        let value = self.0.get(key).cloned().unwrap_or(Value::Null);
        serde_json::from_value(value).map_err(|error| format!("{key}: {error}"))
    }

    pub fn or<T: DeserializeOwned>(&self, key: &str, default: T) -> Res<T> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(_) => self.get(key),
        }
    }

    pub fn bytes(&self, key: &str) -> Res<Vec<u8>> {
        hex::decode(&self.get::<String>(key)?).map_err(|error| format!("{key}: {error}"))
    }

    pub fn array<const N: usize>(&self, key: &str) -> Res<[u8; N]> {
        hex::array(&self.get::<String>(key)?).map_err(|error| format!("{key}: {error}"))
    }

    pub fn array_or<const N: usize>(&self, key: &str, default: [u8; N]) -> Res<[u8; N]> {
        match self.0.contains_key(key) {
            true => self.array(key),
            false => Ok(default),
        }
    }

    fn identity(&self) -> Res<Identity> {
        Ok(Identity::from_seed(&self.array("seed")?))
    }

    /// `ephemeral` and `nonce`, where they are given.
    fn fresh(&self) -> Res<Fresh> {
        let random = Fresh::random();
        Ok(Fresh {
            ephemeral: self.array_or("ephemeral", random.ephemeral)?,
            nonce: self.array_or("nonce", random.nonce)?,
        })
    }

    /// Signed unless `unsigned`, encrypted if `encrypt`.
    pub fn build(&self, identity: &Identity, timestamp: u64) -> Res<Envelope> {
        let to: NodeId = self.get("to")?;
        let (mut payload, encrypted) = (self.bytes("payload")?, self.or("encrypt", false)?);
        if encrypted {
            payload = seal::pack(&seal::encrypt(to, &payload, &self.fresh()?));
        }
        let mut envelope = Envelope {
            id: self.or("id", String::new())?,
            from: identity.id,
            to,
            via: self.or("via", Vec::new())?,
            msg_type: self.get("type")?,
            payload,
            timestamp: self.or("timestamp", timestamp)?,
            signature: Vec::new(),
            ttl: self.or("ttl", 4)?,
            encrypted,
        };
        if envelope.id.is_empty() {
            envelope.id = seal::new_id();
        }
        if !self.or("unsigned", false)? {
            identity.sign(&mut envelope);
        }
        Ok(envelope)
    }
}

fn answer(name: &str, args: &Args) -> Res<Value> {
    match name {
        "build" => {
            let envelope = args.build(&args.identity()?, 0)?;
            let wire = match args.or("compact", false)? {
                true => envelope.encode_compact(),
                false => envelope.encode(),
            };
            Ok(json!({
                "wire": hex::encode(&wire),
                "signingBytes": hex::encode(&envelope.signing_bytes()),
                "envelope": envelope.describe(),
            }))
        }
        // decoded, verified, and written again as a hop would
        "decode" => {
            let envelope = Envelope::decode(&args.bytes("wire")?)?;
            Ok(json!({
                "envelope": envelope.describe(),
                "canonical": hex::encode(&envelope.encode()),
                "signingBytes": hex::encode(&envelope.signing_bytes()),
                "signature": seal::verify(&envelope),
            }))
        }
        // as a recipient does: nothing is opened that is not signed
        "open" => {
            let envelope = Envelope::decode(&args.bytes("wire")?)?;
            match seal::verify(&envelope) {
                SignatureState::Valid => {}
                state => return Err(format!("signature: {state:?}")),
            }
            let plaintext = match envelope.encrypted {
                true => args.identity()?.open(&envelope.payload)?,
                false => envelope.payload.clone(),
            };
            Ok(json!({ "plaintext": hex::encode(&plaintext) }))
        }
        "encrypt" => {
            let sealed = seal::encrypt(args.get("to")?, &args.bytes("payload")?, &args.fresh()?);
            Ok(json!({ "payload": hex::encode(&seal::pack(&sealed)) }))
        }
        "encode-body" => {
            let codec = codec_of(&args.get::<String>("body")?)?;
            Ok(json!({ "hex": hex::encode(&(codec.encode)(args.get("value")?)?) }))
        }
        "decode-body" => {
            let codec = codec_of(&args.get::<String>("body")?)?;
            let value = (codec.decode)(&args.bytes("hex")?)?;
            Ok(json!({ "canonical": hex::encode(&(codec.encode)(value.clone())?), "value": value }))
        }
        "sign-role" => {
            let identity = args.identity()?;
            let mut change = RoleChange {
                node_id: identity.id,
                new_role: args.get("role")?,
                score: args.get("score")?,
                timestamp: args.get("timestamp")?,
                signature: Vec::new(),
            };
            change.signature = identity.sign_bytes(&change.signing_bytes()).to_vec();
            let bytes = rmp_serde::to_vec(&change).map_err(|error| error.to_string())?;
            Ok(json!({ "hex": hex::encode(&bytes), "signingBytes": hex::encode(&change.signing_bytes()) }))
        }
        "verify-role" => {
            let change: RoleChange = rmp_serde::from_slice(&args.bytes("hex")?).map_err(|error| error.to_string())?;
            let valid = seal::verify_loose(&change.node_id, &change.signing_bytes(), &change.signature);
            Ok(json!({ "valid": valid }))
        }
        "sign-group-message" => {
            let (identity, mut message) = (args.identity()?, args.get::<GroupMessage>("message")?);
            message.sender_id = identity.id;
            message.sender_signature = identity.sign_bytes(&message.signing_bytes()).to_vec();
            let signing = hex::encode(&message.signing_bytes());
            Ok(json!({ "message": message, "signingBytes": signing }))
        }
        "verify-group-message" => {
            let message: GroupMessage = args.get("message")?;
            let signing = message.signing_bytes();
            let valid = seal::verify_loose(&message.sender_id, &signing, &message.sender_signature);
            Ok(json!({ "valid": valid, "signingBytes": hex::encode(&signing) }))
        }
        "group-cipher" => {
            let (key, nonce) = (args.array("key")?, args.array("nonce")?);
            let bytes = seal::group_cipher(&key, &nonce, &args.bytes("hex")?, args.get("encrypts")?)?;
            Ok(json!({ "hex": hex::encode(&bytes) }))
        }
        "sign-bytes" => {
            let signature = args.identity()?.sign_bytes(&args.bytes("message")?);
            Ok(json!({ "signature": hex::encode(&signature) }))
        }
        "verify-bytes" => {
            let (key, message) = (NodeId::from_bytes(args.array("key")?)?, args.bytes("message")?);
            let signature = args.bytes("signature")?;
            Ok(json!({
                "strict": seal::verify_strict(&key, &message, &signature),
                "loose": seal::verify_loose(&key, &message, &signature),
            }))
        }
        "identity" => Ok(json!({ "key": args.identity()?.id })),
        _ => Err(format!("unknown command {name:?}")),
    }
}
