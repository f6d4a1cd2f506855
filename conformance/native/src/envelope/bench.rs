//! `envelope-bench`: envelopes built (encrypted and signed) and opened (decoded, verified, decrypted) a second, on one thread.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::seal::{self, Fresh, Identity, SignatureState};
use super::wire::{Envelope, MessageType};
use crate::options::{Options, Res};
use crate::output::emit;

/// Between two looks at the clock.
const BATCH: u32 = 8;

/// `--sizes 64,1024` bytes of plaintext, `--ms N` for each measurement (default 500), `--compact`.
pub fn run(options: &Options) -> Res<()> {
    let sizes = match options.values.get("sizes") {
        Some(Value::String(list)) => list.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>(),
        Some(Value::Number(size)) => Ok(vec![size.as_u64().unwrap_or(0) as usize]),
        _ => Ok(vec![16, 1024, 16_384, 65_536]),
    };
    let sizes = sizes.map_err(|error| format!("--sizes: {error}"))?;
    let limit = Duration::from_millis(options.number("ms").unwrap_or(500));
    let (alice, bob) = (Identity::from_seed(&[1; 32]), Identity::from_seed(&[2; 32]));
    for size in sizes {
        emit(measure(&alice, &bob, size, limit, options.flag("compact"))?);
    }
    Ok(())
}

fn measure(alice: &Identity, bob: &Identity, size: usize, limit: Duration, compact: bool) -> Res<Value> {
    let plaintext: Vec<u8> = (0..size).map(|at| (at * 31 + 7) as u8).collect();
    let build = || {
        let mut envelope = Envelope {
            id: seal::new_id(),
            from: alice.id,
            to: bob.id,
            via: Vec::new(),
            msg_type: MessageType::Chat,
            payload: seal::pack(&seal::encrypt(bob.id, &plaintext, &Fresh::random())),
            timestamp: 1_708_000_000_000,
            signature: Vec::new(),
            ttl: 4,
            encrypted: true,
        };
        alice.sign(&mut envelope);
        match compact {
            true => envelope.encode_compact(),
            false => envelope.encode(),
        }
    };
    let wire = build();
    let open = || {
        let envelope = Envelope::decode(&wire)?;
        match seal::verify(&envelope) {
            SignatureState::Valid => bob.open(&envelope.payload),
            state => Err(format!("signature: {state:?}")),
        }
    };
    if open()? != plaintext {
        return Err("what was built does not open".to_string());
    }
    let built = per_second(limit, || drop(black_box(build())));
    let opened = per_second(limit, || drop(black_box(open())));
    Ok(json!({
        "event": "result",
        "size": size,
        "wireLength": wire.len(),
        "builtPerSecond": built,
        "openedPerSecond": opened,
    }))
}

/// The first tenth of the time is for getting warm.
fn per_second(limit: Duration, act: impl Fn()) -> f64 {
    let run = |limit: Duration| {
        let (begin, mut count) = (Instant::now(), 0);
        while begin.elapsed() < limit {
            for _ in 0..BATCH {
                act();
            }
            count += BATCH;
        }
        f64::from(count) / begin.elapsed().as_secs_f64()
    };
    run(limit / 10);
    run(limit)
}
