//! What crosses to JavaScript, in the shapes of `web-client/js/model.d.ts`. The GPU engine's module has this file too.

use crate::object::{Builder, list, text};
use camelid_core::model::ModelInfo;
use camelid_core::rastic::{self, Assertion, Outcome, Verdict};
use camelid_core::units::TokenId;
use js_sys::Object;

/// Tokens as numbers.
pub fn ids(tokens: &[TokenId]) -> Vec<u32> {
    tokens.iter().map(|t| t.0).collect()
}

/// Numbers as tokens.
pub fn tokens(ids: &[u32]) -> Vec<TokenId> {
    ids.iter().copied().map(TokenId).collect()
}

/// What a list of models shows, and the kernel that computes.
pub fn info(info: &ModelInfo, kernel: &str) -> Object {
    Builder::default()
        .set("name", info.name.as_str())
        .set("licence", info.licence.as_str())
        .set("root", info.root.to_string())
        .set("architecture", format!("{:?}", info.architecture).to_lowercase())
        .set("packageLength", info.package_len as f64)
        .set("parameters", info.parameters as f64)
        .set("dim", info.dim)
        .set("layers", info.layers)
        .set("context", info.context)
        .set("vocabulary", info.vocabulary)
        .set("begin", info.begin.map(|t| t.0))
        .set("end", ids(&info.end))
        .set("kernel", kernel)
        .done()
}

/// What a check found.
pub fn verdict(verdict: &Verdict) -> Object {
    let outcome = |assertion| match verdict.outcome(assertion) {
        Outcome::Holds => "holds",
        Outcome::Fails => "fails",
        Outcome::NotChecked => "not-checked",
    };
    let position = |p: &rastic::Position| {
        let at = Builder::default().set("index", p.index).set("expected", p.expected.0);
        at.set("found", p.found.0).set("right", p.is_right()).done()
    };
    Builder::default()
        .set("valid", verdict.is_valid())
        .set("complete", verdict.is_complete())
        .set("continuity", outcome(Assertion::Continuity))
        .set("integrity", outcome(Assertion::Integrity))
        .set("truncation", outcome(Assertion::Truncation))
        .set("positions", list(verdict.positions.iter().map(position)))
        .set("faults", list(verdict.faults.iter().map(text)))
        .done()
}
