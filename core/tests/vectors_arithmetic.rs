//! Golden vectors of the integer arithmetic (`docs/arithmetic.md`): `vectors/arithmetic.json` holds inputs and
//! outputs of every operation, and of a whole random model. Numbers of 64 bits stand there as decimal strings.
//!
//! A change that alters an output changes consensus: it must fail here. `CAMELID_WRITE_VECTORS=1` writes the file anew
//! from the inputs below.

use camelid_core::hash::sha256;
use camelid_core::model::arithmetic::{self, activation, attention, linear, norm};
use camelid_core::model::package::{Matrix, Norm};
use camelid_core::model::{Sampling, sampling};
use serde_json::{Value, json};
use std::path::Path;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/arithmetic.json");

fn int(v: &Value) -> i64 {
    v.as_i64().or_else(|| v.as_str().and_then(|s| s.parse().ok())).unwrap_or_else(|| panic!("not an integer: {v}"))
}

fn unsigned(v: &Value) -> u64 {
    v.as_u64().or_else(|| v.as_str().and_then(|s| s.parse().ok())).unwrap_or_else(|| panic!("not an integer: {v}"))
}

fn list<T: TryFrom<i64>>(v: &Value) -> Vec<T>
where
    T::Error: std::fmt::Debug,
{
    v.as_array().unwrap().iter().map(|x| T::try_from(int(x)).unwrap()).collect()
}

fn text(v: impl ToString) -> Value {
    Value::String(v.to_string())
}

/// The outputs of an operation.
fn compute(op: &str, i: &Value, table: &[u32]) -> Value {
    let n = |name: &str| int(&i[name]);
    let n32 = |name: &str| i32::try_from(n(name)).unwrap();
    match op {
        "round_shift" => text(arithmetic::round_shift(n("value"), n32("shift") as u32)),
        "rescale" => json!(arithmetic::rescale(n("value"), n32("shift"))),
        "block_float" => {
            let v: Vec<i32> = list(&i["values"]);
            let mut out = vec![0; v.len()];
            let fraction = arithmetic::block_float(&v, n32("fraction"), &mut out);
            json!({"values": out, "fraction": fraction})
        }
        "linear" | "embed" => {
            let weights: Vec<i8> = list(&i["weights"]);
            let bytes: Vec<u8> = weights.iter().map(|w| *w as u8).collect();
            let (mantissa, shift) = ([n("mantissa") as u16], [n("shift") as u8]);
            let bias: Vec<i32> = list(&i["bias"]);
            let m = Matrix {
                rows: 1,
                cols: bytes.len(),
                weights: &bytes,
                mantissas: &mantissa,
                shifts: &shift,
                bias: &bias,
            };
            if op == "embed" {
                let mut out = vec![0; bytes.len()];
                linear::embed(&m, 0, n32("output_fraction"), &mut out);
                return json!(out);
            }
            let x: Vec<i16> = list(&i["input"]);
            let output = linear::output(&m, 0, &x, n32("input_fraction"), n32("output_fraction"));
            json!({"sum": text(linear::dot(&bytes, &x)), "output": output})
        }
        "norm" => {
            let mut x: Vec<i32> = list(&i["values"]);
            let norm = Norm { fraction: n("gain_fraction") as i8, gain: list(&i["gain"]), bias: list(&i["bias"]) };
            if i["subtract_mean"] == json!(true) {
                norm::centre(&mut x);
            }
            let fraction = norm::normalise(&mut x, &norm, unsigned(&i["epsilon"]));
            json!({"values": x, "fraction": fraction})
        }
        "inverse_root" => {
            let (mantissa, shift) = norm::inverse_root(unsigned(&i["value"]));
            json!({"mantissa": mantissa, "shift": shift})
        }
        "rotate" => {
            let mut head: Vec<i16> = list(&i["head"]);
            let row: Vec<i16> = list(&i["cosines_and_sines"]);
            attention::rotate(&mut head, &row.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
            json!(head)
        }
        "score" => {
            let (q, k): (Vec<i16>, Vec<i16>) = (list(&i["query"]), list(&i["key"]));
            json!(attention::score(&q, &k, n32("query_fraction"), n32("key_fraction")))
        }
        "exp2_16" => json!(attention::exp2_16(u32::try_from(n("distance")).unwrap())),
        "softmax" => {
            let mut weights = Vec::new();
            let sum = attention::softmax(&list::<i32>(&i["scores"]), &mut weights);
            let (reciprocal, bits) = attention::reciprocal(sum);
            json!({"weights": weights, "sum": sum, "reciprocal": reciprocal, "bits": bits})
        }
        "attend" => {
            let (weights, values): (Vec<u16>, Vec<i16>) = (list(&i["weights"]), list(&i["values"]));
            let mut sum = [0];
            for (w, v) in weights.iter().zip(&values) {
                attention::accumulate(&mut sum, *w, &[*v]);
            }
            let total = weights.iter().map(|w| *w as u32).sum();
            let (value_fraction, output_fraction) = (n32("value_fraction"), n32("output_fraction"));
            json!(attention::output(sum[0], attention::reciprocal(total), value_fraction, output_fraction))
        }
        "activate" => json!(activation::activate(table, n32("value"))),
        "gated" => json!(activation::gated(table, n32("gate"), n32("up"))),
        "random" => text(sampling::random(unsigned(&i["seed"]), n("position") as u32)),
        "exp2_40" => text(sampling::exp2_40(unsigned(&i["distance"]))),
        "sample" => {
            let [temperature, top_k, top_p] = ["temperature", "top_k", "top_p"].map(|name| n(name) as u32);
            let s = Sampling { temperature, top_k, top_p };
            json!(sampling::sample(&list::<i32>(&i["logits"]), &s, unsigned(&i["seed"]), n("position") as u32).0)
        }
        other => panic!("unknown operation {other}"),
    }
}

/// Numbers from nowhere in particular, the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, low: i64, high: i64) -> i64 {
        self.0 += 1;
        let bits = u64::from_le_bytes(sha256(&self.0.to_le_bytes()).0[..8].try_into().unwrap());
        (low as i128 + bits as i128 % (high as i128 - low as i128 + 1)) as i64
    }

    fn list(&mut self, n: usize, low: i64, high: i64) -> Vec<i64> {
        (0..n).map(|_| self.next(low, high)).collect()
    }
}

/// Inputs: ordinary ones and edges.
fn inputs() -> Vec<(&'static str, Value)> {
    let mut r = Numbers(0);
    let mut out = Vec::new();
    for v in [0, 1, -1, 2, -2, 3, -3, i64::MAX, i64::MIN, 123_456_789_012, -123_456_789_012] {
        for shift in [0, 1, 2, 31, 40, 62, 63, 64, 90] {
            out.push(("round_shift", json!({"value": text(v), "shift": shift})));
        }
        for shift in [-64, -31, -1, 0, 5, 33, 63, 80] {
            out.push(("rescale", json!({"value": text(v), "shift": shift})));
        }
    }
    for bits in [1, 14, 15, 16, 20, 31] {
        let v = r.list(7, -(1 << bits), (1 << bits) - 1);
        out.push(("block_float", json!({"values": v, "fraction": 16})));
    }
    out.push(("block_float", json!({"values": [i32::MIN, i32::MAX, 0, 1], "fraction": -3})));
    out.push(("block_float", json!({"values": [0, 0], "fraction": 5})));
    for (n, shift, input, output) in
        [(5, 20, 10, 16), (64, 24, 11, 16), (600, 30, 12, 12), (3, 0, -5, 20), (9, 63, 30, -16)]
    {
        let (weights, x) = (r.list(n, -127, 127), r.list(n, -32_767, 32_767));
        let (mantissa, bias) = (r.next(32_768, 65_535), r.list(n % 2, -1_000_000, 1_000_000));
        let sizes = json!({"weights": weights, "input": x, "mantissa": mantissa, "shift": shift, "bias": bias,
            "input_fraction": input, "output_fraction": output});
        out.push(("linear", sizes));
    }
    let all = |v: i64| vec![v; 1200];
    out.push((
        "linear",
        json!({"weights": all(127), "input": all(32_767), "mantissa": 65_535, "shift": 40, "bias": [],
        "input_fraction": 0, "output_fraction": 0}),
    ));
    out.push((
        "linear",
        json!({"weights": all(-127), "input": all(32_767), "mantissa": 65_535, "shift": 10, "bias": [-1],
        "input_fraction": 0, "output_fraction": 0}),
    ));
    out.push((
        "embed",
        json!({"weights": r.list(12, -127, 127), "mantissa": 40_000, "shift": 23, "bias": [],
        "output_fraction": 16}),
    ));
    for (n, bits, mean, epsilon) in
        [(4, 3, false, 1), (16, 18, false, 2_748_779), (33, 31, true, 1u64 << 40), (8, 24, true, 77)]
    {
        let values = r.list(n, -(1 << bits), (1 << bits) - 1);
        let (gain, bias) = (r.list(n, -(1 << 23), 1 << 23), r.list(if mean { n } else { 0 }, -(1 << 29), 1 << 29));
        out.push((
            "norm",
            json!({"values": values, "gain": gain, "bias": bias, "gain_fraction": 17,
            "subtract_mean": mean, "epsilon": text(epsilon)}),
        ));
    }
    out.push((
        "norm",
        json!({"values": [0, 0, 0], "gain": [5, 6, 7], "bias": [], "gain_fraction": 0,
        "subtract_mean": false, "epsilon": "1"}),
    ));
    for v in [1u64, 2, 3, 4, 1 << 31, (1 << 31) + 1, 1 << 61, (1 << 62) - 1, 1 << 62, (1 << 63) - 1, 10_000_000_019] {
        out.push(("inverse_root", json!({"value": text(v)})));
    }
    for half in [1, 4] {
        let head = r.list(8, -32_767, 32_767);
        out.push(("rotate", json!({"head": head, "cosines_and_sines": r.list(2 * half, -16_384, 16_384)})));
    }
    out.push((
        "rotate",
        json!({"head": [32_767, 32_767, -32_767, 32_767],
        "cosines_and_sines": [16_384, -16_384, 11_585, 11_585]}),
    ));
    for (qf, kf) in [(10, 12), (14, 11), (-16, -16), (30, 30)] {
        out.push((
            "score",
            json!({"query": r.list(64, -32_767, 32_767), "key": r.list(64, -32_767, 32_767),
            "query_fraction": qf, "key_fraction": kf}),
        ));
    }
    for d in [0, 1, 2, 100, 32_768, 65_535, 65_536, 65_537, 200_000, 983_040, 1_048_575, 1_048_576, u32::MAX] {
        out.push(("exp2_16", json!({"distance": d})));
    }
    out.push(("softmax", json!({"scores": [5]})));
    out.push(("softmax", json!({"scores": [i32::MIN, i32::MAX, 0]})));
    out.push(("softmax", json!({"scores": r.list(20, -300_000, 300_000)})));
    for n in [1, 9, 100] {
        let mut weights = r.list(n, 0, 32_767);
        weights[0] = 32_767;
        out.push((
            "attend",
            json!({"weights": weights, "values": r.list(n, -32_767, 32_767), "value_fraction": 12,
            "output_fraction": 25}),
        ));
    }
    for v in [0, 1, -1, 1023, 1024, -65_536, 65_536, 300_000, -300_000, 1_048_575, 1_048_576, i32::MIN, i32::MAX] {
        out.push(("activate", json!({"value": v})));
        out.push(("gated", json!({"gate": v, "up": r.next(-1_000_000, 1_000_000)})));
    }
    for seed in [0, 1, u64::MAX] {
        out.push(("random", json!({"seed": text(seed), "position": r.next(0, u32::MAX as i64)})));
    }
    for d in [
        0u64,
        1,
        15,
        16,
        1 << 35,
        (1 << 36) - 1,
        1 << 36,
        777_777_777_777,
        40 << 36,
        (41 << 36) - 1,
        41 << 36,
        u64::MAX,
    ] {
        out.push(("exp2_40", json!({"distance": text(d)})));
    }
    for (temperature, top_k, top_p) in
        [(0, 0, 1_000_000), (1000, 0, 1_000_000), (700, 10, 1_000_000), (1500, 0, 900_000), (1, 5, 1)]
    {
        for position in 0..3 {
            out.push((
                "sample",
                json!({"logits": r.list(40, -300_000, 300_000), "temperature": temperature,
                "top_k": top_k, "top_p": top_p, "seed": "18446744073709551615", "position": position}),
            ));
        }
    }
    out
}

/// The SiLU table that the vectors use, from the file: it is an input like any other.
fn table(file: &Value) -> Vec<u32> {
    list(&file["silu_table"])
}

fn read() -> Value {
    serde_json::from_str(&std::fs::read_to_string(Path::new(FILE)).unwrap()).unwrap()
}

#[test]
fn every_operation_gives_its_golden_output() {
    let file = read();
    let cases = file["cases"].as_array().unwrap();
    let table = table(&file);
    for case in cases {
        let op = case["op"].as_str().unwrap();
        assert_eq!(compute(op, &case["in"], &table), case["out"], "{op} {}", case["in"]);
    }
    for (op, _) in inputs() {
        assert!(cases.iter().any(|c| c["op"] == op), "no vector for {op}");
    }
}

#[cfg(feature = "import")]
mod models {
    use super::*;
    use camelid_core::model::import::{RandomShape, activation_table, random_model};
    use camelid_core::model::package::ActivationKind;
    use camelid_core::model::{Engine, Feed, Package, Reference, Want, sample};
    use camelid_core::units::TokenId;
    use std::sync::Arc;

    /// 40 greedy tokens after a fixed prompt, end tokens passed over, and the hash of all logits on the way.
    fn run(name: &str, shape: &RandomShape) -> Value {
        let package = Arc::new(Package::parse(random_model(1, shape).unwrap()).unwrap());
        let mut engine = Reference::new(package.clone());
        let sequence = engine.open().unwrap();
        let prompt: Vec<TokenId> = [0, 105, 200, 300, 7].map(TokenId).to_vec();
        let (mut input, mut tokens, mut all) = (prompt.clone(), Vec::new(), Vec::new());
        while tokens.len() < 40 {
            let logits = engine.forward(&[Feed { sequence, tokens: &input, want: Want::All }]).unwrap();
            all.extend(logits[0].values().iter().flat_map(|l| l.to_le_bytes()));
            input = vec![sample(logits[0].last().unwrap(), &Sampling::GREEDY, 0, 0)];
            tokens.push(input[0].0);
        }
        let prompt: Vec<u32> = prompt.iter().map(|t| t.0).collect();
        json!({"name": name, "seed": 1, "root": package.root().to_string(), "prompt": prompt, "tokens": tokens,
            "logits_sha256": sha256(&all).to_string()})
    }

    fn all() -> Vec<Value> {
        vec![
            run("llama", &RandomShape::llama()),
            run("qwen2", &RandomShape::qwen2()),
            run("gpt2", &RandomShape::gpt2()),
        ]
    }

    #[test]
    fn random_models_give_their_golden_logits_and_tokens() {
        if std::env::var_os("CAMELID_WRITE_VECTORS").is_some() {
            let table = activation_table(ActivationKind::Silu);
            let case = |(op, i): (&str, Value)| json!({"op": op, "out": compute(op, &i, &table), "in": i});
            let lines: Vec<String> = inputs().into_iter().map(case).map(|c| c.to_string()).collect();
            let models: Vec<String> = all().iter().map(Value::to_string).collect();
            let table = serde_json::to_string(&table).unwrap();
            let (models, cases) = (models.join(",\n"), lines.join(",\n"));
            let file = format!("{{\"silu_table\":{table},\n\"models\":[\n{models}\n],\n\"cases\":[\n{cases}\n]}}\n");
            std::fs::write(FILE, file).unwrap();
        }
        assert_eq!(read()["models"], json!(all()));
    }
}
