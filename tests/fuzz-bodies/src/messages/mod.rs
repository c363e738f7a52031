//! Messages and requests, one after another, against a chain, both pools and the answers for light clients: nothing panics,
//! pools keep within their limits and hold only what the next block could take, every answer can be read by who asked.

mod answers;
mod jobs;
mod lab;
#[path = "../../../../native-node/src/node/light.rs"]
mod light;
mod payments;

use crate::Choices;
use camelid_core::encode::Decode;
use camelid_core::message::{Payload, Request};
use lab::Lab;

/// The most that happens for one input.
const MOST_STEPS: usize = 40;

/// The target.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let mut lab = Lab::new();
    for _ in 0..MOST_STEPS {
        if choices.is_empty() {
            break;
        }
        step(&mut lab, &mut choices);
        lab.check();
    }
    lab.mine(&mut choices);
    lab.check();
}

fn step(lab: &mut Lab, choices: &mut Choices<'_>) {
    match choices.below(16) {
        0 => request(lab, choices),
        1 => light_request(lab, choices),
        2 => payload(lab, choices),
        3 | 4 => {
            let tx = payments::pay(lab, choices);
            lab.take(&tx.map(Payload::from));
        }
        5 => {
            let tx = payments::replace(lab, choices);
            lab.take(&tx.map(Payload::from));
        }
        6 | 7 => lab.mine(choices),
        8 => lab.fork(choices),
        9 => lab.wait(choices),
        10 => lab.take(&jobs::offer(lab, choices)),
        11 => lab.take(&jobs::create(lab, choices)),
        12 => lab.take(&jobs::accept(lab, choices)),
        13 => lab.take(&jobs::testament(lab, choices)),
        14 => lab.take(&jobs::settle(lab, choices).map(Payload::from)),
        _ => {
            let tx = jobs::contract_move(lab, choices);
            lab.take(&tx.map(Payload::from));
        }
    }
}

/// A request as bytes.
fn request(lab: &Lab, choices: &mut Choices<'_>) {
    let length = choices.below(256);
    if let Ok(request) = Request::from_bytes(choices.bytes(length)) {
        answers::answered(lab, &request);
    }
}

/// A request for something that is here, or nearly.
fn light_request(lab: &Lab, choices: &mut Choices<'_>) {
    answers::answered(lab, &answers::choose(lab, choices));
}

/// A message as bytes: from nothing, or one that came before, altered.
fn payload(lab: &mut Lab, choices: &mut Choices<'_>) {
    let old = lab.said.get(choices.below(lab.said.len().max(1))).map(|p| (p.kind(), p.body()));
    let (kind, bytes) = match old {
        Some((kind, mut body)) if choices.below(4) > 0 => {
            for _ in 0..choices.below(3) {
                let at = usize::from(choices.short()) % body.len().max(1);
                let change = choices.byte();
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= change;
                }
            }
            (kind, body)
        }
        _ => {
            let (kind, length) = (choices.byte() % 14, choices.below(256));
            (kind, choices.bytes(length).to_vec())
        }
    };
    lab.take(&Payload::from_parts(kind, &bytes).ok());
}
