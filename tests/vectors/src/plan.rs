//! Ways to feed texts, and one that does.

use crate::Stream;
use camelid_core::model::{Engine, EngineError, Feed, SequenceId, Want};
use camelid_core::units::TokenId;
use std::ops::Range;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which text.
    pub text: usize,
    /// Its tokens.
    pub tokens: Range<usize>,
}

/// What is fed together, one pass after another.
pub type Plan = Vec<Vec<Piece>>;

/// Every way: each text alone in one piece, alone step by step, alone in odd pieces, and all in batches.
pub fn plans(texts: &[Vec<TokenId>], stream: &mut Stream) -> [(&'static str, Plan); 4] {
    [
        ("in one piece", alone(texts, || usize::MAX)),
        ("step by step", alone(texts, || 1)),
        ("in odd pieces", alone(texts, || [1, 2, 3, 7, 30, 61, 65][stream.below(7)])),
        ("in a batch with strangers", strangers(texts, stream)),
    ]
}

/// One text after another, in pieces of these lengths.
fn alone(texts: &[Vec<TokenId>], mut length: impl FnMut() -> usize) -> Plan {
    let mut plan = Vec::new();
    for (text, tokens) in texts.iter().enumerate() {
        let mut from = 0;
        while from < tokens.len() {
            let to = from.saturating_add(length()).min(tokens.len());
            plan.push(vec![Piece { text, tokens: from..to }]);
            from = to;
        }
    }
    plan
}

/// All texts side by side, each joining and pausing at its own time, in pieces of its own.
pub fn strangers(texts: &[Vec<TokenId>], stream: &mut Stream) -> Plan {
    let mut plan = Vec::new();
    let mut fed = vec![0; texts.len()];
    while fed.iter().zip(texts).any(|(fed, text)| *fed < text.len()) {
        let longest = [1, 1, 3, 20, 150][stream.below(5)];
        let mut step = Vec::new();
        for (text, (fed, tokens)) in fed.iter_mut().zip(texts).enumerate() {
            if *fed < tokens.len() && stream.below(4) > 0 {
                let end = tokens.len().min(*fed + 1 + stream.below(longest));
                step.push(Piece { text, tokens: *fed..end });
                *fed = end;
            }
        }
        if !step.is_empty() {
            plan.push(step);
        }
    }
    plan
}

/// Feeds texts as planned; gives all logits of each.
pub fn replay(engine: &mut dyn Engine, texts: &[Vec<TokenId>], plan: &Plan) -> Result<Vec<Vec<i32>>, EngineError> {
    let open: Vec<SequenceId> = texts.iter().map(|_| engine.open()).collect::<Result<_, _>>()?;
    let mut out = vec![Vec::new(); texts.len()];
    for step in plan {
        let feeds: Vec<Feed<'_>> = step
            .iter()
            .map(|p| Feed { sequence: open[p.text], tokens: &texts[p.text][p.tokens.clone()], want: Want::All })
            .collect();
        for (piece, rows) in step.iter().zip(engine.forward(&feeds)?) {
            out[piece.text].extend_from_slice(rows.values());
        }
    }
    open.into_iter().for_each(|sequence| engine.close(sequence));
    Ok(out)
}
